"""What a page says: its title, language, visible text and links. Extraction never fetches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from selectolax.lexbor import LexborHTMLParser, LexborNode

from crawler.urls import BadURL, canonical

TEXT_LIMIT = 400_000
UNSHOWN = "【页面未显示的模板文字】"
_INERT = re.compile(r"<(/?)(?:template|noscript)\b", re.I)
_HIDDEN = {"script", "style", "noscript", "template", "head", "iframe", "object", "svg", "canvas", "select"}
_BLOCK = {
    "address", "article", "aside", "blockquote", "br", "caption", "dd", "details", "dialog", "div", "dl", "dt",
    "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li",
    "main", "nav", "ol", "option", "p", "pre", "section", "summary", "table", "tbody", "td", "th", "tr", "ul",
}  # fmt: skip


class Anchor(NamedTuple):
    """A link: the canonical URL, its text, and whether it is a download by its markup or its name."""

    url: str
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page read: ``text`` begins with the title, one block a line, at most ``TEXT_LIMIT`` characters."""

    title: str
    language: str
    text: str
    anchors: tuple[Anchor, ...]


def read_page(markup: str, url: str) -> Page:
    """Read HTML. Anything is answered: broken, empty, deeply nested or not HTML at all."""
    tree = LexborHTMLParser(markup)
    title_node = tree.css_first("title")
    title = _squeeze(title_node.text(deep=True)) if title_node else ""
    description = tree.css_first("meta[name=description]")
    lines = [title, _squeeze((description.attributes.get("content") or "") if description else "")]
    lines += visible_text(tree.body).split("\n") if tree.body else []
    text = "\n".join(line for line in lines if line)[:TEXT_LIMIT]
    if not text and _INERT.search(markup):
        # Nothing to see, but words in templates that no script has shown: read them, and say what they are.
        body = LexborHTMLParser(_INERT.sub(r"<\1div", markup)).body
        inner = visible_text(body) if body else ""
        text = f"{UNSHOWN}\n{inner}"[:TEXT_LIMIT] if inner else ""
    base = tree.css_first("base[href]")
    return Page(
        title[:500], language_of(text), text, tuple(_anchors(tree, (base and base.attributes["href"]) or "", url))
    )


def visible_text(root: LexborNode) -> str:
    """The text under a node as a reader sees it: blocks on lines of their own, white space squeezed, nothing hidden."""
    pieces: list[str] = []
    # An explicit stack: hostile markup nests deeper than Python recurses.
    stack: list[LexborNode | str] = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            pieces.append(node)
            continue
        tag = node.tag
        if tag == "-text":
            # A line break in the source is a space to a reader; only blocks begin new lines.
            pieces.append((node.text_content or "").replace("\n", " "))
            continue
        if tag in _HIDDEN or tag in {"-comment", "!doctype"} or "hidden" in node.attributes:
            continue
        if tag in {"img", "input"}:
            label = node.attributes.get("alt") or node.attributes.get("placeholder") or ""
            if node.attributes.get("type") in {"submit", "button"}:
                label = node.attributes.get("value") or ""
            pieces.append(f" {label} ")
            continue
        block = tag in _BLOCK
        if block:
            pieces.append("\n")
            stack.append("\n")
        children = []
        child = node.first_child
        while child is not None:
            children.append(child)
            child = child.next
        stack.extend(reversed(children))
    lines = (_squeeze(line) for line in "".join(pieces).split("\n"))
    return "\n".join(line for line in lines if line)


def _squeeze(text: str) -> str:
    return " ".join(text.replace("\x00", " ").split())


def _anchors(tree: LexborHTMLParser, base: str, url: str) -> Iterator[Anchor]:
    seen: set[str] = set()
    for node in tree.css("a[href], area[href]"):
        try:
            target = canonical(node.attributes.get("href") or "", _join(base, url))
        except BadURL:
            continue
        if target not in seen:
            seen.add(target)
            yield Anchor(target, _squeeze(node.text(deep=True))[:200])


def _join(base: str, url: str) -> str:
    try:
        return canonical(base, url) if base else url
    except BadURL:
        return url


def language_of(text: str) -> str:
    """``zh``, ``ja``, ``ko``, ``en`` (any Latin script) or ``und``, by the script its letters are written in."""
    sample = text[:5_000]
    eastern = re.sub(r"[\x00-\u2fff]+", "", sample)
    han = _letters(r"[\u4e00-\u9fff\u3400-\u4dbf]+", eastern)
    kana = _letters(r"[\u3040-\u30ff]+", eastern)
    hangul = _letters(r"[\uac00-\ud7af]+", eastern)
    latin = _letters(r"[A-Za-z]+", sample)
    if kana > 0.15 * (han + kana) and kana > 3:
        return "ja"
    if hangul > han and hangul > 0.2 * latin:
        return "ko"
    # One Han character says about as much as a Latin word of five letters.
    if han * 5 >= latin and han:
        return "zh"
    return "en" if latin else "und"


def _letters(runs: str, text: str) -> int:
    return sum(map(len, re.findall(runs, text)))
