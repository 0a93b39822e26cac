"""What the linear model sees beside character n-grams: densities of the lexicon's categories, and a page's structure."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from classifier.lexicon import find_terms
from classifier.normalise import Normal
from data.facts import lexicon

_STRUCTURE = {
    "link": r"https?://|www\.",
    "referral": r"/join/\w|[?&](?:ref|invite_?code|channelid)=|(?:邀请|推荐)码\s*[:：]?\s*[a-z0-9]{4,}",
    "code": r"[{}();=<>\[\]_`$]",
    "latin": r"[a-z]",
    "digit": r"\d",
    "question": r"[?？]",
    "exclamation": r"[!！]",
    "title_mark": r"[《》]",
    "quote": r"[“”「」]",
    "second_person": r"[你您]",
    "first_person": r"我",
    "year": r"(?:19|20)\d\d年",
    "arrow": r"👇|👉|→|☞|➡|↓|⬇|🔥|🚀|🎁|✅|💰",
    "step": r"第[一二三四五六七八1-8]步|步骤[一二三四1-4]|①|②|③",
    "contact": r"(?:微信|qq|电报|tg|telegram|vx|飞机)\s*(?:号|群)?\s*[:：@]",
    "stop": r"[。；]",
    "tether": r"usdt|泰达币",
    "coin": r"比特币|btc|以太坊|eth|加密货币|虚拟货币|数字货币|数字资产|币圈",
    "exchange": r"交易所|交易平台",
}
# Single characters are counted without searching; of what comes in runs, a run is found at a time.
_SINGLE = {
    name: _STRUCTURE[name][1:-1].replace("\\", "")
    for name in ("code", "question", "exclamation", "title_mark", "quote", "second_person", "stop")
}
_RUNS = {"latin", "digit"}
_PATTERNS = {name: re.compile(f"{pattern}+" if name in _RUNS else pattern) for name, pattern in _STRUCTURE.items()}


def names() -> list[str]:
    """The features' names, in the order of the vector."""
    categories = list(lexicon())
    return [
        *(f"density:{c}" for c in categories),
        *(f"presence:{c}" for c in categories),
        *(f"shape:{n}" for n in _STRUCTURE),
        "length",
        "disguise",
        "balance",
    ]


def vector(normal: Normal) -> NDArray[np.float32]:
    """The feature vector, shape ``(len(names()),)``. Densities are per thousand characters under a logarithm."""
    text = normal.text
    per_thousand = 1000 / max(len(text), 200)
    counts: Counter[str] = Counter()
    distinct: dict[str, set[str]] = {}
    for match in find_terms(normal):
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
            np.log1p((normal.disguises["invisible"] + normal.disguises["separated"]) * per_thousand),
            (offer - innocent) / (offer + innocent + 4),
        ],
        dtype=np.float32,
    )


def _count(name: str, text: str) -> int:
    if name in _SINGLE:
        return sum(map(text.count, _SINGLE[name]))
    found = _PATTERNS[name].findall(text)
    return sum(map(len, found)) if name in _RUNS else len(found)
