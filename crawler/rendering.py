"""When a page is looked at in a browser: the content rule, what its host's other pages have shown, and a random sample.

The sample is the rule's own check: a seeded share of the pages that are taken as they are is rendered anyway, and what
the rule missed among them is told with every run.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from crawler.signs import CHALLENGE, PICTURES, Signs, han
from crawler.urls import host_of

# A page that a browser shows to say substantially more: so many times as many Chinese characters, and so many more.
MORE_TIMES = 1.3
MORE_HAN = 60
# Renders without a gain, in a row, after which a reason is not followed on such pages of a host any more.
PATIENCE, PATIENCE_SURE = 3, 10
GAINS = 2
SAMPLE_SHARE = 0.02
SAMPLE_LIMIT = 48

COMPLETE = "静态页面文字完整"
NEAR = "评分接近或高于复核阈值"
SAMPLED = "抽查：规则认为不必渲染"
ALIKE = "同站同类页面渲染后文字明显增多"


def gained(before: str, after: str) -> bool:
    """Whether the rendered text carries substantially more than the static one."""
    static, rendered = han(before), han(after)
    return rendered >= MORE_TIMES * static and rendered - static >= MORE_HAN


@dataclass(slots=True)
class HostMemory:
    """What renders of one host's pages have shown: gains, and fruitless renders in a row for one reason and shape."""

    gains: int = 0
    gains_of: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    fruitless: defaultdict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    def judge(self, signs: Signs) -> str:
        """The reason to render, by the rule in the light of the memory; an empty string when there is none."""
        if signs.reason == PICTURES:  # not looked at for its text
            return signs.reason
        if signs.reason and self._patient(signs.reason, signs):
            return signs.reason
        alike = self.gains_of[signs.shape] >= GAINS or (signs.thin and self.gains >= GAINS)
        return ALIKE if signs.shape and alike and self._patient(ALIKE, signs) else ""

    def _patient(self, reason: str, signs: Signs) -> bool:
        return self.fruitless[reason, signs.shape] < (PATIENCE_SURE if signs.sure else PATIENCE)

    def learn(self, reason: str, signs: Signs, more: bool) -> None:
        """Remember what a render of a page gave."""
        if more:
            self.gains += 1
            self.gains_of[signs.shape] += 1
            for key in [key for key in self.fruitless if key[1] == signs.shape]:
                del self.fruitless[key]
        else:
            self.fruitless[reason, signs.shape] += 1


class Rendering:
    """Decides for one run, and keeps count. ``mode`` is ``auto``, ``always`` or ``never``; pages at or above the
    probability ``near`` are always looked at; ``seed`` makes the sample, the same one when the run is resumed."""

    def __init__(self, mode: str, near: float, seed: str) -> None:
        self.mode = mode
        self.near = near
        self.seed = seed
        self.sampled = 0
        self.missed = 0
        self.taken = 0
        self._hosts: defaultdict[str, HostMemory] = defaultdict(HostMemory)
        self._drawn = 0

    def why(self, url: str, status: int, signs: Signs, interest: float) -> str:
        """Why to look at the page in a browser, or an empty string."""
        # An error page says what it says; a challenge is sent as one, and is what stands before the page.
        if status >= 400 and signs.reason != CHALLENGE:
            return ""
        if self.mode == "never":
            return signs.reason
        reason = self._hosts[host_of(url)].judge(signs)
        if reason:
            return reason
        if interest >= self.near:
            return NEAR
        if self.mode == "always":
            return "要求全部渲染"
        self.taken += 1
        if self._drawn < SAMPLE_LIMIT and self._chance(url) < SAMPLE_SHARE:
            self._drawn += 1
            return SAMPLED
        return ""

    def _chance(self, url: str) -> float:
        return int.from_bytes(hashlib.sha256(f"{self.seed} {url}".encode()).digest()[:6]) / 2**48

    def learn(self, url: str, reason: str, signs: Signs, before: str, after: str) -> None:
        """Take note of what a render gave: the static text and the one with the browser's DOM."""
        more = gained(before, after)
        if reason == SAMPLED:
            self.sampled += 1
            self.missed += more
        self._hosts[host_of(url)].learn(reason, signs, more)

    def report(self) -> Mapping[str, int]:
        """Pages the rule took as they are; of them, those rendered as a sample, and those that turned out to be missed."""
        return {"static": self.taken, "sampled": self.sampled, "missed": self.missed}
