"""From a page to what could be closed: the site, and the mini-programs it lists, each in its narrowest unit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from crawler.extract import visible_text
from crawler.identifiers import find_identifiers
from crawler.urls import host_of
from data.facts import Platform
from data.records import Kind, Target

_APPID = re.compile(r"((?:wx|tt)(?<![0-9A-Za-z]..)[0-9a-f]{16})(?![0-9A-Za-z])")
_PLATFORM = {"wx": "wechat", "tt": "douyin"}
CARD_LIMIT = 4000
CARD_DEPTH = 64


def site_target(url: str, title: str, platforms: tuple[Platform, ...]) -> Target | None:
    """The site a URL belongs to: its host, or on a shared platform the account's path.

    ``None`` for a platform's own pages, which name no account: closing the platform is never the answer.
    """
    host, path = host_of(url), urlsplit(url).path
    for platform in platforms:
        if host.removeprefix("www.") == platform.host.removeprefix("www."):
            segments = [segment for segment in path.split("/") if segment][: platform.unit_segments]
            if not segments or len(segments) < platform.unit_segments:
                return None
            return Target(Kind.SITE, "/".join([host, *segments]), title)
    port = urlsplit(url).port
    return Target(Kind.SITE, f"{host}:{port}" if port and port not in (80, 443) else host, title)


@dataclass(frozen=True, slots=True)
class Listing:
    """A mini-program on a page: the target, the text of its own entry, and whether the page is about it alone."""

    target: Target
    text: str
    alone: bool


def miniprograms(markup: str, text: str) -> Iterator[Listing]:
    """The mini-programs a page names by appid, each with the text of its own entry and no neighbour's.

    An entry is the largest element that holds one appid and no other; where a page names a single appid, the page.
    """
    appids = list(dict.fromkeys(_APPID.findall(text)))
    if len(appids) == 1:
        yield Listing(_miniprogram(appids[0], text, ""), text, alone=True)
        return
    if not appids:
        return
    tree = LexborHTMLParser(markup)
    for appid in appids:
        card = _card(tree, appid)
        if card is None:
            continue
        heading = card.css_first("h1, h2, h3, h4, h5, strong, b, dt, th, a")
        entry = visible_text(card)[:CARD_LIMIT]
        name = re.sub(r"\s+", " ", heading.text(deep=True)).strip() if heading else ""
        yield Listing(_miniprogram(appid, entry, name), entry, alone=False)


def _card(tree: LexborHTMLParser, appid: str) -> LexborNode | None:
    leaf = tree.css_first(f'body :lexbor-contains("{appid}")')
    card = None
    # Bounded, for every step reads all below it and hostile markup nests without end.
    for _ in range(CARD_DEPTH):
        if leaf is None or leaf.tag in {"body", "html"}:
            break
        if len(set(_APPID.findall(leaf.text(deep=True, separator=" ")))) > 1:
            break
        card, leaf = leaf, leaf.parent
    return card


def _miniprogram(appid: str, entry: str, name: str) -> Target:
    facts = {"appid": appid}
    for key, label in (
        ("name", "名称|小程序名称|小程序名"),
        ("subject", "主体|开发者|运营主体"),
        ("category", "类目|类别|服务类目"),
    ):
        found = re.search(rf"(?:{label})\s*[:：]?\s*([^\n:：|｜]{{2,60}})", entry)
        if found:
            facts[key] = found[1].strip()
    filing = next((i.value for i in find_identifiers(entry) if i.kind == "icp"), "")
    if filing:
        facts["filing"] = filing
    title = name if name and not _APPID.search(name) else facts.get("name", "")
    return Target(Kind.MINIPROGRAM, f"{_PLATFORM[appid[:2]]}:{appid}", title[:120], facts)


def is_package(url: str) -> bool:
    """Whether a link leads to an Android package, by its name."""
    return url.partition("?")[0].lower().endswith(".apk")
