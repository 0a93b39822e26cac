"""Disguises put on, for training only: what people write to get past a filter, so that the model has read it before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import cache
from random import Random

from opencc import OpenCC
from pypinyin import Style, lazy_pinyin

from classifier.lexicon import find_terms
from classifier.normalise import normalise

_ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff"
_SEPARATORS = " ·.-_*|/~、+"
# Characters written as their parts, as seen in chat groups.
_PARTS = {
    "码": "石马", "信": "亻言", "加": "力口", "请": "讠青", "约": "纟勺", "领": "令页", "群": "君羊", "银": "钅艮", "炒": "火少",
    "杠": "木工", "杆": "木干", "现": "王见", "钱": "钅戋", "链": "钅连", "注": "氵主", "好": "女子", "法": "氵去", "理": "王里",
    "行": "彳亍", "明": "日月", "位": "亻立", "挖": "扌穵", "矿": "石广", "做": "亻故", "赚": "贝兼", "佣": "亻用", "邮": "由阝",
    "代": "亻弋", "付": "亻寸", "收": "丩攵", "提": "扌是",
}  # fmt: skip
_SIGNS = {
    "微信": ("v信", "薇信", "威信", "wx", "🛰️", "V"), "电报": ("tg", "飞机", "✈️", "纸飞机"), "币": ("🪙", "B", "比"),
    "钱": ("💰", "米"), "人民币": ("rmb", "软妹币", "¥"), "加": ("➕", "+", "家"), "群": ("裙", "羣"), "交易所": ("交亿所", "JYS"),
    "支付宝": ("zfb", "💙宝", "支付饱"), "银行卡": ("yhk", "💳"), "欧易": ("欧意", "欧亿", "O易"), "币安": ("必安", "B安", "bi安"),
    "火币": ("火必", "🔥币"), "usdt": ("U", "油", "泰达", "u5dt"), "下载": ("下栽", "⬇️"), "链接": ("连接", "🔗"),
    "注册": ("註冊", "祝册", "zc"), "返佣": ("返拥", "fy"), "客服": ("kefu", "👩‍💼"), "一": ("1",), "二": ("2",), "八": ("8",),
}  # fmt: skip


@cache
def _traditional() -> OpenCC:
    return OpenCC("s2t")


@cache
def _homophones() -> dict[str, list[str]]:
    """Common characters by toneless sound: the first level of GB 2312."""
    common = [bytes((high, low)).decode("gb2312", "ignore") for high in range(0xB0, 0xD8) for low in range(0xA1, 0xFF)]
    found: dict[str, list[str]] = defaultdict(list)
    for character in filter(None, common):
        found[lazy_pinyin(character)[0]].append(character)
    return found


def _homophone(word: str, random: Random) -> str:
    place = random.randrange(len(word))
    others = _homophones().get(lazy_pinyin(word[place])[0], [word[place]])
    return word[:place] + random.choice(others) + word[place + 1 :]


def _joined(marks: str) -> Callable[[str, Random], str]:
    def join(word: str, random: Random) -> str:
        return random.choice(marks).join(word)

    return join


def _wide(word: str, _random: Random) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in word)


def _case(word: str, random: Random) -> str:
    return "".join(random.choice((c.upper(), c)) for c in word)


def _initials(word: str, _random: Random) -> str:
    return "".join(lazy_pinyin(word, style=Style.FIRST_LETTER))


def _parts(word: str, random: Random) -> str:
    return "".join(_PARTS.get(c, c) if random.random() < 0.6 else c for c in word)


def _sign(word: str, random: Random) -> str:
    for plain, signs in _SIGNS.items():
        if plain in word:
            return word.replace(plain, random.choice(signs))
    return word


OPERATORS: dict[str, Callable[[str, Random], str]] = {
    "zero_width": _joined(_ZERO_WIDTH),
    "separators": _joined(_SEPARATORS),
    "traditional": lambda word, _random: str(_traditional().convert(word)),
    "homophone": _homophone,
    "initials": _initials,
    "parts": _parts,
    "signs": _sign,
    "case": _case,
    "full_width": _wide,
}


def disguise(phrase: str, operator: str, random: Random, share: float = 0.6) -> str:
    """The phrase with about ``share`` of its lexicon terms put under the disguise. Nothing else is touched."""
    normal = normalise(phrase)
    pieces, last = [], 0
    for match in find_terms(normal.text):
        start, end = normal.raw_span(match.start, match.end)
        if start >= last and random.random() < share:
            pieces += [phrase[last:start], OPERATORS[operator](phrase[start:end], random)]
            last = end
    return "".join([*pieces, phrase[last:]])
