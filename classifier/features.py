"""What the linear model sees beside character n-grams: densities of the lexicon's categories, and a page's structure."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from classifier.lexicon import find_terms
from classifier.normalise import Normal
from data.facts import lexicon

# What a page looks like: words or single characters that are counted, or an expression (which costs more).
_STRUCTURE: dict[str, str | tuple[str, ...]] = {
    "link": r"https?://|www\.",
    "referral": r"/join/\w|[?&](?:ref|invite_?code|channelid)=|(?:邀请|推荐)码\s*[:：]?\s*[a-z0-9]{4,}",
    "code": tuple("{}();=<>[]_`$"),
    "latin": r"[a-z]+",
    "digit": r"\d+",
    "question": ("?", "？"),
    "exclamation": ("!", "！"),
    "title_mark": ("《", "》"),
    "quote": tuple("“”「」"),
    "second_person": ("你", "您"),
    "first_person": ("我",),
    "year": r"(?:19|20)\d\d年",
    "arrow": ("👇", "👉", "→", "☞", "➡", "↓", "⬇", "🔥", "🚀", "🎁", "✅", "💰"),
    "step": r"第[一二三四五六七八1-8]步|步骤[一二三四1-4]|①|②|③",
    "contact": r"(?:微信|qq|电报|tg|telegram|vx|飞机)\s*(?:号|群)?\s*[:：@]",
    "stop": ("。", "；"),
    "tether": ("usdt", "泰达币"),
    "coin": r"比特币|btc|以太坊|eth|加密货币|虚拟货币|数字货币|数字资产|币圈",
    "exchange": ("交易所", "交易平台"),
}
_EXPRESSIONS = {name: re.compile(shape) for name, shape in _STRUCTURE.items() if isinstance(shape, str)}
# Letters and digits come in runs: a run is found at a time.
_RUNS = {"latin", "digit"}
# One of these stands in every match of the expression, and is sooner looked for.
_HINTS: dict[str, tuple[str, ...]] = {
    "link": ("://", "www."),
    "referral": ("/join/", "ref=", "code=", "channelid=", "请码", "荐码"),
    "year": ("年",),
    "step": ("步", "①", "②", "③"),
    "coin": ("币", "btc", "eth", "以太坊", "数字资产"),
}


def names() -> list[str]:
    """The features' names, in the order of the vector."""
    categories = list(lexicon())
    return [
        *(f"density:{c}" for c in categories),
        *(f"presence:{c}" for c in categories),
        *(f"shape:{n}" for n in _STRUCTURE),
        "length",
        "balance",
    ]


def vector(normal: Normal) -> NDArray[np.float32]:
    """The feature vector, shape ``(len(names()),)``. Densities are per thousand characters under a logarithm.

    That a word was disguised has no part in it: reports quote disguises too, and the words themselves are counted.
    """
    text = normal.text
    per_thousand = 1000 / max(len(text), 200)
    counts: Counter[str] = Counter()
    distinct: dict[str, set[str]] = {}
    for match in find_terms(normal.text):
        counts[match.category] += 1
        distinct.setdefault(match.category, set()).add(text[match.start : match.end])
    categories = list(lexicon())
    offer = sum(n for c, n in counts.items() if not c.startswith("counter"))
    innocent = sum(n for c, n in counts.items() if c.startswith("counter"))
    return np.array(
        [
            *(np.log1p(counts[c] * per_thousand) for c in categories),
            *(np.log1p(len(distinct.get(c, ()))) for c in categories),
            *(np.log1p(_count(name, text) * per_thousand) for name in _STRUCTURE),
            np.log1p(len(text)) / 4,
            (offer - innocent) / (offer + innocent + 4),
        ],
        dtype=np.float32,
    )


def _count(name: str, text: str) -> int:
    shape = _STRUCTURE[name]
    if isinstance(shape, tuple):
        return sum(map(text.count, shape))
    if name in _HINTS and not any(word in text for word in _HINTS[name]):
        return 0
    found = _EXPRESSIONS[name].findall(text)
    return sum(map(len, found)) if name in _RUNS else len(found)
