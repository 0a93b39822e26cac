"""Reading a page: plain data in and plain data out, fit to be done in another process (``crawler.readers``)."""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from scrapy.http import HtmlResponse
from w3lib.encoding import resolve_encoding

from crawler.depth import shallow
from crawler.extract import Anchor, read_page
from crawler.identifiers import find_identifiers
from crawler.pictures import as_text, read_view
from crawler.signs import Signs, signs_of
from crawler.targets import Listing, miniprograms
from data.records import Identifier

_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([^\s;\"'>]+)", re.I)
_META_CHARSET = re.compile(r"<meta[^>]+" + _CHARSET.pattern, re.I)
Interest = Callable[[str], float]


class Unreadable(Exception):
    """The page could not be read in time, or broke its reader; the message says which."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a browser made of a page, as far as it is read: its DOM, where it ended, and its pictures as files."""

    dom: str
    final_url: str
    screenshot: bytes = b""
    pictures: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a page says. ``signs`` are those of its static form; ``interest`` is the offer's probability; ``notes`` say
    what is to be known of how it was read."""

    title: str
    language: str
    text: str
    anchors: tuple[Anchor, ...]
    identifiers: tuple[Identifier, ...]
    listings: tuple[Listing, ...]
    signs: Signs
    interest: float
    notes: tuple[str, ...] = ()


EMPTY = Reading("", "und", "", (), (), (), Signs(), 0.0)


def no_interest(_: str) -> float:
    """Nothing is of interest, where there is no judge of it."""
    return 0.0


def read(
    body: bytes, content_type: str, url: str, shown: Shown | None = None, interest: Interest = no_interest
) -> Reading:
    """Read what the server sent and, when there is one, what a browser made of it: its DOM and its pictures.

    What pictures say follows the page's text, marked as such; the links of QR codes are links of the page.

    The encoding is the header's, the markup's or the most likely one, as browsers decide it (through w3lib); only what
    is UTF-8 from end to end is read as such whatever it says it is: no other encoding looks like it by chance.
    """
    response = HtmlResponse(
        url,
        body=body,
        headers={"Content-Type": content_type} if content_type else None,
        encoding="utf-8" if _is_utf8(body) else None,
    )
    markup, dropped = shallow(response.text)
    page = read_page(markup, url)
    notes = list(_odd_charset(response, content_type))
    text, anchors = page.text, page.anchors
    if shown is not None:
        dom, more = shallow(shown.dom)
        dropped += more
        rendered = read_page(dom, shown.final_url)
        # What the server sent may say things the script removes again; the links of both are links of the page.
        known = {anchor.url for anchor in rendered.anchors}
        # A browser that guessed the encoding wrong shows none of the Chinese that the bytes hold.
        better = _substance(rendered.text) * 2 >= _substance(page.text)
        page = replace(rendered, title=rendered.title or page.title) if better else page
        pictures = read_view(shown.screenshot, shown.pictures, page.text)
        text = "\n".join(filter(None, (page.text, as_text(pictures))))
        anchors = (
            *rendered.anchors,
            *(anchor for anchor in anchors if anchor.url not in known),
            *(Anchor(code.url, "二维码") for code in pictures.codes if code.url and code.url not in known),
        )
        markup = f"{markup}\n{dom}"
    if dropped:
        notes.append(f"标记嵌套过深，读取时略去 {dropped} 个元素的标记，文字未略")
    return Reading(
        page.title,
        page.language,
        text,
        anchors,
        find_identifiers(text, markup),
        tuple(miniprograms(markup, text)),
        signs_of(markup, page.text) if shown is None else Signs(),
        interest(text),
        tuple(notes),
    )


def _odd_charset(response: HtmlResponse, content_type: str) -> Iterator[str]:
    """What is to be said of a page that says it is written in one encoding and was read in another."""
    if response.body.isascii():
        return
    head = response.body[:4096].decode("latin-1")
    for where, found in (("应答头", _CHARSET.search(content_type)), ("页面", _META_CHARSET.search(head))):
        if found and _family(said := found[1]) != _family(response.encoding):
            yield f"{where}声明编码 {said[:40]}，实际按 {response.encoding} 读取"


def _family(name: str) -> str:
    """The encoding that reads all that ``name`` does: the widest of its family."""
    encoding = resolve_encoding(name) or name
    return "utf-16" if encoding.startswith("utf-16") else encoding


def _is_utf8(body: bytes) -> bool:
    """Whether the bytes are UTF-8, and not ASCII alone; the last character may be cut off."""
    try:
        return not body.isascii() and bool(getincrementaldecoder("utf-8")().decode(body))
    except UnicodeDecodeError:
        return False


def _substance(text: str) -> int:
    """How much a text says: a Chinese character counts as much as a Latin word."""
    return 5 * len(re.findall(r"[\u3400-\u9fff]", text)) + len(re.findall(r"[A-Za-z0-9]", text))
