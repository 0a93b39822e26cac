"""What a static page shows of whether it carries its own text: the content rule that calls for a browser.

The rule reads what the server sent and fetches nothing. It errs towards the browser: what it asks for too often, the
memory of a host (``crawler.rendering``) takes back.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from itertools import islice

from selectolax.lexbor import LexborHTMLParser, LexborNode

# What a page needs before its text can be taken for its own (visible Chinese characters, or letters of any script).
ENOUGH_HAN = 60
ENOUGH_LETTERS = 400
BEGINNING = 1000
HEADLINE_HAN = 8  # a link of that many characters is a headline, a shorter one an entry of a menu
REDIRECT_SECONDS = 30  # a page that reloads itself later than that is a ticker, not a door
MARKUP_LIMIT = 600_000  # characters: reading deep markup takes quadratic time
RUNS, JUMPS, PLACES = 2_000, 100, 400
PICTURES = "文字少而有图片"
CHALLENGE = "访问验证或防护页"

_HAN = re.compile(r"[\u4e00-\u9fff]+")
_RUN = re.compile(r"[\u4e00-\u9fff]{4,}")
_ESCAPED = re.compile(r"[\\%]u([4-9][0-9a-fA-F]{3})")
_ACTIVE = re.compile(
    r"<(?:script|iframe|frame|meta[^>]{1,200}refresh|img|svg|canvas|video|object|embed|picture)\b", re.I
)
_MOVING = re.compile(r"<(?:script|iframe|frame|meta[^>]{1,200}refresh)\b", re.I)
_TRACKER = re.compile(
    r"hm\.baidu\.com|cnzz\.com|51\.la/|google-analytics|googletagmanager|bdstatic\.com/linksubmit|/push\.js|sensorsdata|"
    r"matomo|umami|clarity\.ms|GoogleAnalyticsObject|_hmt\s*=\s*_hmt",
    re.I,
)
_DATA = re.compile(r"ld\+json|speculationrules|importmap", re.I)
_REDIRECT = re.compile(
    r"(?:window|document|self|top|parent)\.location\s*=[^=]|\blocation\s*=[^=]|location\.(?:href\s*=[^=]|(?:replace|assign)\s*\()"
)
_AT_ONCE = re.compile(
    r"(?:setTimeout|onload|ready|DOMContentLoaded|\)\s*\(\s*function)[^;]{0,120}$|\(\s*function\s*\([^)]*\)\s*\{[^{}]*$"
)
_PACKED = re.compile(
    r"eval\s*\(\s*(?:function\s*\(\s*p\s*,\s*a\s*,\s*c\s*,\s*k|atob|unescape|decodeURIComponent|String\.fromCharCode|\w+\()|"
    r"document\.write(?:ln)?\s*\(\s*(?:unescape|atob|decodeURIComponent|String\.fromCharCode)"
)
_DECODES = re.compile(r"\beval\b|\batob\b|\bunescape\b|document\.write|fromCharCode|\bFunction\s*\(")
_CODED = re.compile(
    r"[A-Za-z0-9+/]{200,}={0,2}|(?:[0-9a-fA-F]{2}){100,}|(?:(?:\\x|%)[0-9a-fA-F]{2}){60,}|(?:\d{2,5},\s*){60,}"
)
_OBFUSCATED = re.compile(r"\b_0x[0-9a-f]{4,}\b")
_WRITES = re.compile(
    r"innerHTML|insertAdjacentHTML|appendChild|\.append\(|\.html\(|textContent|innerText|document\.write"
)
_ASKS = re.compile(r"\bfetch\s*\(|XMLHttpRequest|\$\.(?:get|post|ajax|getJSON)\b|axios|\.load\s*\(\s*['\"]|import\s*\(")
_CHALLENGED = re.compile(
    r"cf-browser-verification|cf_chl_|/cdn-cgi/challenge-platform|__jsl_clearance|acw_sc__v2|yunsuo_session|geetest|TencentCaptcha|"
    r"nc_1_n1z|(?:Checking your browser|Just a moment)|[5五]\s*秒盾|滑块|拖动.{0,6}验证|人机验证|安全验证|检查您的浏览器|浏览器安全检查|请完成.{0,4}验证|"
    r"DDoS",
    re.I,
)
_WANTS_SCRIPT = re.compile(r"java\s*script|脚本|\bJS\b", re.I)
_ROOTS = "#app, #root, #__next, #__nuxt, #q-app, #svelte, #main-app, [data-reactroot], [ng-app], [ng-version], app-root, [id$=-app], [id^=app-]"
_MAIN = re.compile(
    r"content|main|article|detail|body|list|text|news|page|view|container|wrap|post|story|feed|result|comment", re.I
)
_WIDGET = re.compile(
    r"(?:^|[-_\s])(?:ads?|adv\w*|banner|share|qr\w*|captcha|player|map|tongji|popup|modal|toast|dialog|top|kefu|service|login|search|"
    r"weather|clock|date|cart|progress|tooltip|mask|loading-bar|counter|rating|carousel|slider|video|audio|chart)(?:$|[-_\s])",
    re.I,
)
_LOADING = re.compile(r"(?:正在)?(?:加载|载入|读取|loading|请稍[候等]|please wait|数据|内容|页面|中|\W)*", re.I)
_UNFILLED = re.compile(r"\{\{[^{}]{1,80}\}\}|<%=?[^%]{1,80}%>")
# Around the text of a page rather than in it, by element and by the names people give such parts.
_BOILERPLATE = (
    "nav, header, footer, aside, form, noscript, script, style, template, select, button, [class*=nav], [id*=nav], [class*=foot], "
    "[id*=foot], [class*=menu], [id*=menu], [class*=crumb], [class*=copyright], [id*=copyright], [class*=friend], [class*=cookie], "
    "[id*=cookie], [class*=sidebar], [id*=sidebar], [role=navigation], [role=contentinfo], [role=banner]"
)


@dataclass(frozen=True, slots=True)
class Signs:
    """``reason``: why the page needs a browser, or an empty string. A ``sure`` reason stands although the host's other
    renders gave little. ``thin``: little text of its own. ``shape``: what the page is built like, for comparison with its
    host's other pages; empty when nothing on it could change in a browser."""

    reason: str = ""
    sure: bool = False
    thin: bool = False
    shape: str = ""


def han(text: str) -> int:
    """Chinese characters in a text."""
    return sum(map(len, _HAN.findall(text)))


def signs_of(markup: str, text: str) -> Signs:
    """Read the signs of a page from its markup and the text extracted from it."""
    if not _ACTIVE.search(markup):
        return Signs(thin=not _enough(text))
    bare = not _enough(text)
    if not bare and not _MOVING.search(markup) and len(_UNFILLED.findall(text)) < 2:
        return Signs()
    tree = LexborHTMLParser(markup[:MARKUP_LIMIT])
    asked = " ".join(n.text(deep=True) for n in tree.css("noscript"))
    for node in tree.css("noscript"):  # a browser that runs scripts does not see what is in it
        node.decompose()
    scripts = [
        node
        for node in tree.css("script")
        if not _DATA.search(node.attributes.get("type") or "")
        and not _TRACKER.search(f"{node.attributes.get('src') or ''} {(node.text() or '')[:2000]}")
    ]
    code = "\n".join(node.text() or "" for node in scripts)
    written = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), code)
    frames = bool(tree.css_first("iframe[src], frame[src]"))
    pictures = bool(tree.css_first("img, svg, canvas, video, picture, object, embed"))
    root = _empty_root(tree) if scripts else False
    hole = bool(scripts) and not root and _hole(tree)
    shape = _shape(tree.body) if scripts or frames else ""
    jump = _declared_jump(tree)
    thin = not _enough(_own_text(tree))
    packed = _packed(code)
    # The first that holds is told; the second value says whether it is a sure one.
    rules = (
        (jump, True, "页面声明跳转"),
        (_jumps(code, bare), True, "脚本跳转"),
        (thin and bool(scripts) and bool(_CHALLENGED.search(markup)), True, CHALLENGE),
        (packed, thin, "脚本经过打包或编码"),
        (root, True, "空的应用根节点"),
        (thin and bool(scripts) and bool(_WANTS_SCRIPT.search(asked)), True, "页面要求启用脚本"),
        (_untold(written, text), thin, "脚本里的中文未见于页面"),
        (len(_UNFILLED.findall(text)) > 1, True, "模板占位符尚未填写"),
        (hole, thin, "正文位置是空的"),
        (bare and bool(scripts), True, "文字少而有脚本"),
        (bare and frames, True, "文字少而有框架"),
        (bare and pictures, True, PICTURES),
        (thin and bool(scripts), False, "导航以外文字少而有脚本"),
        (bool(_ASKS.search(code)) and bool(_WRITES.search(code)), False, "脚本取数据写入页面"),
        (bool(scripts) and len(code) > 20 * max(len(text), 1), False, "脚本远多于文字"),
    )
    sure, reason = next(((sure, reason) for holds, sure, reason in rules if holds), (False, ""))
    return Signs(reason, sure, thin, shape)


def _enough(text: str) -> bool:
    # Mostly the beginning says so already.
    parts = (text[:BEGINNING], text)
    return any(han(t) >= ENOUGH_HAN or sum(map(len, re.findall(r"\w+", t))) >= ENOUGH_LETTERS for t in parts)


def _own_text(tree: LexborHTMLParser) -> str:
    """The text that is not around every page of a site. Takes the tree apart."""
    if tree.body is None:
        return ""
    for node in tree.css(_BOILERPLATE):
        if node.tag not in ("body", "html", "main", "article"):
            node.decompose()
    for node in tree.css("a"):
        if han(node.text(deep=True)) < HEADLINE_HAN:
            node.decompose()
    return tree.body.text(deep=True)


def _declared_jump(tree: LexborHTMLParser) -> bool:
    for node in tree.css("meta[http-equiv]"):
        if (node.attributes.get("http-equiv") or "").lower() == "refresh":
            found = re.match(
                r"\s*(\d{1,6})?[\d.]*\s*[;,]\s*(?:url\s*=)?\s*['\"]?\s*\S", node.attributes.get("content") or "", re.I
            )
            if found and int(found[1] or 0) <= REDIRECT_SECONDS:
                return True
    return False


def _jumps(code: str, bare: bool) -> bool:
    """Whether a script sends the visitor on: at once, or anywhere in a page that says nothing else."""
    for found in islice(_REDIRECT.finditer(code), JUMPS):
        before = code[max(found.start() - 4000, 0) : found.start()]
        at_once = before.count("{") <= before.count("}") or _AT_ONCE.search(before[-160:])
        # ``if (…) location = …`` without braces, as for phones, is not for everybody.
        if bare or (at_once and not re.search(r"\bif\s*\([^;{}]*$", before[-200:])):
            return True
    return False


def _packed(code: str) -> bool:
    return bool(
        _PACKED.search(code)
        or (_DECODES.search(code) and _CODED.search(code))
        or len(_OBFUSCATED.findall(code[:200_000])) >= 8
    )


def _untold(written: str, text: str) -> bool:
    """Whether scripts hold Chinese that the page does not show, as much as would count for a miss."""
    runs = {run for run in _RUN.findall(written)[:RUNS] if run not in text}
    untold = sum(map(len, runs))
    return untold >= ENOUGH_HAN and untold >= 0.3 * han(text)


def _vacant(node: LexborNode) -> bool:
    """Whether an element is a place for something: no text but 'loading', no picture or form inside."""
    words = node.text(deep=True).strip()
    return (
        len(words) < 40
        and bool(_LOADING.fullmatch(words))
        and node.css_first("img, input, video, iframe, canvas, svg") is None
    )


def _empty_root(tree: LexborHTMLParser) -> bool:
    return any(_vacant(node) for node in tree.css(_ROOTS))


def _hole(tree: LexborHTMLParser) -> bool:
    """Whether the place of the main text is empty."""
    for node in tree.css("main, article, div[id], section[id], ul[id], ol[id], tbody[id], div[class], section[class]")[
        :PLACES
    ]:
        name = f"{node.attributes.get('id') or ''} {node.attributes.get('class') or ''}"
        if (node.tag in ("main", "article") or (_MAIN.search(name) and not _WIDGET.search(name))) and _vacant(node):
            return True
    return False


def _shape(body: LexborNode | None) -> str:
    """What a page is built of, two levels deep; the same for pages made from one template."""
    parts: list[str] = []
    for outer in body.iter() if body is not None else ():
        for node in (outer, *outer.iter()):
            names = f"{node.attributes.get('id') or ''}.{node.attributes.get('class') or ''}"
            part = f"{node.tag}#{re.sub(r'[0-9]+', '', names)}"
            if part not in parts[-1:]:  # three paragraphs or thirty: one template
                parts.append(part)
    return hashlib.sha256("|".join(parts[:60]).encode()).hexdigest()[:12]
