"""Whom a case goes to: proposed from the filing number's province, with the reason in words. An officer confirms."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from data.facts import Authority, authorities
from data.records import Hit, Kind
from reports.plain import plain

NATIONAL = "cac"
FILING_LIMIT = 40

# The filing number's own mark for what was filed: 号-1A an app, 号-1X a mini-program.
_MARK = {Kind.SITE: "", Kind.APP: "A", Kind.MINIPROGRAM: "X"}


@dataclass(frozen=True, slots=True)
class Route:
    """The proposed addressee, the filing number that led there (empty when none did), and why, in a sentence."""

    authority: Authority
    filing: str
    reason: str


def propose(hit: Hit) -> Route:
    """The provincial administration of the target's filing number; without one, the cyberspace administration.

    The number in the target's own listing (``facts["filing"]``) goes before those its pages show, and among these
    one filed for this kind of target, then the one shown by most captures.
    """
    listed = plain(hit.target.facts.get("filing", ""), FILING_LIMIT)
    shown = _shown(hit)
    filing = listed or (shown[0] if shown else "")
    if not filing:
        return Route(_national(), "", "未见备案号，按境外接入或未备案处理，由网信部门处置。")
    source = "登记信息载明" if listed else "页面标注"
    if not listed and hit.target.kind is not Kind.SITE and not filing.endswith(_MARK[hit.target.kind]):
        source = "发布页面标注（未必属于该应用本身）"
    others = [number for number in shown if number[:1] != filing[:1]]
    doubt = f"另见{'、'.join(others)}，请核对。" if others else ""
    for authority in authorities():
        if filing[0] in authority.prefixes and hit.target.kind in authority.closes:
            return Route(authority, filing, f"{source}备案号{filing}，属{authority.region}。{doubt}")
    return Route(_national(), filing, f"{source}备案号{filing}，省份代字无法识别，由网信部门处置。{doubt}")


def _shown(hit: Hit) -> list[str]:
    """The filing numbers on the captures, the likeliest first."""
    counts = Counter(
        number
        for capture, _ in hit.evidence
        for number in {plain(i.value, FILING_LIMIT).replace(" ", "") for i in capture.identifiers if i.kind == "icp"}
        if number
    )
    mark = _MARK[hit.target.kind]
    return sorted(counts, key=lambda number: (not (mark and number.endswith(mark)), -counts[number], number))


def _national() -> Authority:
    return next(authority for authority in authorities() if authority.id == NATIONAL)
