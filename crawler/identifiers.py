"""What names an operator in a page: filing numbers, appids, wallets, contacts, statistics ids, referral codes.

The patterns are those of the domain notes, tried on live samples there; wallet addresses must pass their checksum.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from data.records import Identifier

PROVINCES = "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川蜀贵黔云滇藏陕甘陇青宁新"
_SEQ = r"(?:[-－—–](?P<seq>\d{1,5})(?P<typ>[AXK])?)?"
# A name, ASCII as Telegram's are (Chinese may follow it without a space), and not one of its own service paths.
_TELEGRAM = r"(?!(?:share|joinchat|proxy|socks|login|addstickers|addemoji|setlanguage)\b)([A-Za-z]\w{4,31})"
_B58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class _Pattern:
    """``hints``: in lower case one of them stands in every match, and is much sooner looked for than the expression."""

    kind: str
    expression: re.Pattern[str]
    normal: Callable[[re.Match[str]], str | None]
    hints: tuple[str, ...] = ("",)


def _icp(m: re.Match[str]) -> str:
    tail = f"-{m['seq']}{m['typ'] or ''}" if m["seq"] else ""
    return f"{m['p']}ICP{m['k']}{m['n']}号{tail}"


def _licence(m: re.Match[str]) -> str:
    return f"{m['p'] or ''}{m['c']}-{m['n']}"


def _base58check(m: re.Match[str]) -> str | None:
    number = 0
    for letter in m[0]:
        number = number * 58 + _B58.index(letter)
    try:
        raw = number.to_bytes(25, "big")
    except OverflowError:
        return None
    return m[0] if hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4] == raw[21:] else None


def _whole(m: re.Match[str]) -> str:
    return m[0]


def _first(m: re.Match[str]) -> str:
    return m[1]


# What an expression begins with is looked for quickly only if it stands first; what must not stand before it comes after.
_TEXT = [
    _Pattern("icp", re.compile(rf"(?P<p>[{PROVINCES}])\s?ICP\s?(?P<k>备|证)\s?(?P<n>\d{{6,12}})\s?号?{_SEQ}", re.I), _icp, ("icp",)),
    _Pattern(
        "licence",
        re.compile(rf"(?P<p>[{PROVINCES}]|合字)?(?P<c>(?:A2\.)?(?:B1\.)?B[12])-(?P<n>(?:19|20)\d{{6}})(?!\d){_SEQ}"),
        _licence,
        ("b1-", "b2-"),
    ),
    _Pattern(
        "police",
        re.compile(rf"(?P<p>[{PROVINCES}])公网安备\s?[:：]?\s?(?P<n>\d{{14}})\s?号?"),
        lambda m: f"{m['p']}公网安备{m['n']}号",
        ("公网安备",),
    ),
    _Pattern("wechat_appid", re.compile(r"wx(?<![0-9A-Za-z]wx)[0-9a-f]{16}(?![0-9A-Za-z])"), _whole),
    _Pattern("wechat_original", re.compile(r"gh_(?<![0-9A-Za-z]gh_)[0-9a-f]{12}(?![0-9A-Za-z])"), _whole),
    _Pattern("douyin_appid", re.compile(r"tt(?<![0-9A-Za-z]tt)[0-9a-f]{16}(?![0-9A-Za-z])"), _whole),
    _Pattern("tron", re.compile(rf"T(?<![0-9A-Za-z]T)[{_B58}]{{33}}(?![0-9A-Za-z])"), _base58check),
    _Pattern("bitcoin", re.compile(rf"[13](?<![0-9A-Za-z].)[{_B58}]{{25,33}}(?![0-9A-Za-z])"), _base58check),
    _Pattern("telegram", re.compile(rf"(?<![\w.-])(?:t|telegram)\.me/{_TELEGRAM}", re.A), _first, (".me/",)),
    _Pattern("telegram", re.compile(r"(?:Telegram|TG|电报|飞机)\s*(?:群|频道|客服)?\s*[:：]?\s*@([a-z][a-z0-9_]{4,31})", re.I), _first, ("@",)),
    _Pattern("qq", re.compile(r"QQ\s*(?:群|客服)?\s*[:：号]\s*([1-9]\d{4,10})(?!\d)", re.I), _first, ("qq",)),
    _Pattern("wechat", re.compile(r"(?:微信|wechat|vx|薇信)\s*(?:号|客服)?\s*[:：]\s*([a-z][a-z0-9_-]{5,19})", re.I), _first, ("微信", "wechat", "vx", "薇信")),
    _Pattern("referral_code", re.compile(r"(?:邀请码|推荐码|邀请碼|推薦碼)\s*(?:为|是)?\s*[:：]?\s*([A-Za-z0-9]{4,16})"), _first, ("码", "碼")),
]  # fmt: skip
_MARKUP = [
    _Pattern("baidu_stats", re.compile(r"hm\.baidu\.com/hm\.js\?([0-9a-f]{32})"), _first, ("hm.baidu",)),
    _Pattern(
        "google_stats",
        re.compile(r"(UA(?<![\w-]UA)-\d{4,10}-\d{1,4}|G(?<![\w-]G)-[A-Z0-9]{8,12})(?![\w-])"),
        _first,
        ("ua-", "g-"),
    ),
    _Pattern(
        "cnzz_stats",
        re.compile(r"(?:s\d*\.cnzz\.com|c\.cnzz\.com)/[^\"']*?[?&](?:web_)?id=(\d{6,12})"),
        _first,
        ("cnzz.com",),
    ),
    _Pattern("telegram", re.compile(rf"href=[\"']https?://t\.me/{_TELEGRAM}", re.A), _first, ("t.me/",)),
    _Pattern(
        "referral_link",
        re.compile(
            r"href=[\"']([^\"'\s]{0,300}?(?:/join/[\w-]{3,}|[?&](?:ref|invite_code|inviteCode|channelId)=[\w-]{3,}))",
            re.I,
        ),
        _first,
        ("/join/", "?ref=", "&ref=", "code=", "channelid="),
    ),
]


def find_identifiers(text: str, markup: str = "") -> tuple[Identifier, ...]:
    """Every identifier in the text, with its place, and those that stand only in the markup, with place -1.

    The same kind and value is reported once, at its first place.
    """
    found: dict[tuple[str, str], Identifier] = {}
    for pattern, match in _matches(_TEXT, text):
        value = pattern.normal(match)
        if value:
            found.setdefault((pattern.kind, value), Identifier(pattern.kind, value, match.start(), match.end()))
    for pattern, match in _matches(_MARKUP, markup):
        value = pattern.normal(match)
        if value:
            found.setdefault((pattern.kind, value), Identifier(pattern.kind, value))
    return tuple(found.values())


def _matches(patterns: list[_Pattern], text: str) -> Iterator[tuple[_Pattern, re.Match[str]]]:
    lower = text.lower()
    for pattern in patterns:
        if any(hint in lower for hint in pattern.hints):
            for match in pattern.expression.finditer(text):
                yield pattern, match
