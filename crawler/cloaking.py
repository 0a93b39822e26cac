"""Cloaking: whether a site shows different visitors different things, and what about the visitor decides it.

A page is asked for as several profiles. Where one is answered otherwise than the first, both are asked again, in turns: a
site that answers at random, or changes by the minute, differs from itself too and is called unstable, not cloaking.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import combinations, pairwise, product

from tldextract import TLDExtract

from crawler.likeness import likeness, only_in
from crawler.urls import host_of
from data.facts import Named, Profile, thresholds
from data.records import Hop

Interest = Callable[[str], float]

# Chosen by trial on the 1,047 longer texts of data/corpus. Below it lie 0.2 % of pages held against themselves with lines
# shuffled, advertisements and tokens added, and 1 % of half-length forms for phones; above it 1 % of two texts of 300
# characters and more in one template, 8 % of all (a short text is mostly template: there the interest has to tell).
SAME = 0.5
# Rounds of asking again. With the first look, the first profile has then answered six times and a suspected one five: a site
# that draws one of two answers by lot passes for cloaking, as one profile, with a probability below 0.1 %.
ROUNDS = 4
UNSTABLE = "unstable"

_suffixes = TLDExtract(suffix_list_urls=(), cache_dir=None)


class Aspect(StrEnum):
    """In what two answers differ."""

    REDIRECT = "redirect"
    STATUS = "status"
    TEXT = "text"
    LANGUAGE = "language"
    OFFER = "offer"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one visitor was shown. ``status`` is 0 where the server gave no answer; ``capture`` names what keeps it."""

    profile: Profile
    final_url: str
    status: int
    hops: tuple[Hop, ...] = ()
    title: str = ""
    text: str = ""
    language: str = "und"
    capture: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """``similarity`` is that of the texts, 0 to 1. The sentence holds no words of the page, only hosts and figures."""

    aspects: tuple[Aspect, ...]
    similarity: float
    sentence: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Two answers to one URL that differ; ``variable`` is the id of what decides, or ``unstable``."""

    first: Answer
    second: Answer
    difference: Difference
    variable: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Visits:
    """Every answer, in the order asked for, and what they show. ``variable`` as by ``deciding_variable``."""

    url: str
    answers: tuple[Answer, ...]
    findings: tuple[Finding, ...]
    variable: str


Answers = Mapping[str, Sequence[Answer]]
Fetch = Callable[[str, Profile], Awaitable[Answer | None]]


def nobody(_: str) -> float:
    """An interest that finds nothing an offer."""
    return 0.0


async def visit_as(url: str, profiles: Sequence[Profile], fetch: Fetch, interest: Interest = nobody) -> Visits:
    """Ask for ``url`` as each of the profiles (the first is what the others are held against), again where they differ.

    ``fetch`` starts clean (no cookies, no cache), waits for the host's turn, and follows redirects. It returns ``None``
    where this side did not ask or could not look (robots.txt, egress policy, no browser): that is no answer of the site's.
    One request at a time, between ``len(profiles) + 1`` and that plus ``ROUNDS * len(profiles)`` in all.
    """
    first, *others = profiles
    judged = cache(interest)
    seen: dict[str, list[Answer]] = {profile.id: [] for profile in profiles}
    order: list[Answer] = []

    async def ask(turn: Iterable[Profile]) -> None:
        for profile in turn:
            answer = await fetch(url, profile)
            if answer is not None:
                seen[profile.id].append(answer)
                order.append(answer)

    await ask([first, *others, first])
    for round_number in range(ROUNDS):
        suspected = [profile for profile in others if _apart(seen[first.id], seen[profile.id], judged)]
        if not suspected:
            break
        turn = [first, *suspected]
        # Every other round backwards, or a server that takes turns between two answers would keep in step with us.
        await ask(reversed(turn) if round_number % 2 else turn)
    return Visits(url, tuple(order), _findings(seen, judged), deciding_variable(seen, judged))


def deciding_variable(answers: Answers, interest: Interest = nobody) -> str:
    """What decides which answer is given: ids of variables joined by ``+``, ``unstable``, or nothing when all are alike.

    ``answers`` has every answer by the id of its profile, the first profile's first, at least two of them.
    """
    deciding = [variable.id for _, variable in _cloaked(answers, interest)]
    if deciding:
        return "+".join(dict.fromkeys(deciding))
    return UNSTABLE if _unsteady(answers, interest) else ""


def compare(first: Answer, second: Answer, interest: Interest = nobody) -> Difference | None:
    """In what two answers to one URL differ, or ``None``. ``interest`` gives a text's probability of being an offer."""
    said: list[tuple[Aspect, str]] = []
    you, they = f"“{first.profile.zh}”", f"“{second.profile.zh}”"
    if first.profile.id == second.profile.id:
        you, they = "前一次", "后一次"
    both = first.status and second.status
    if both and _site(first.final_url) != _site(second.final_url):
        said.append((Aspect.REDIRECT, f"{_landing(you, first)}，{_landing(they, second)}"))
    if _standing(first.status) != _standing(second.status):
        said.append((Aspect.STATUS, f"{you}{_status(first.status)}，{they}{_status(second.status)}"))
    similarity = likeness(first.text, second.text)
    # An error page says something else by its nature; that it is one has been said.
    if similarity < SAME and _standing(first.status) == _standing(second.status):
        said.append((Aspect.TEXT, f"{you}与{they}的文字仅 {similarity:.0%} 相同"))
        languages = {first.language, second.language}
        if len(languages) == 2 and "und" not in languages:
            said.append((Aspect.LANGUAGE, f"{you}的文字为 {first.language}，{they}的为 {second.language}"))
    for who, here, there in ((you, first.text, second.text), (they, second.text, first.text)):
        without = interest(there)
        if without < thresholds().near:
            # An offer added to a long innocent text makes little of the whole: what only this side has is judged too.
            with_it = max(interest(here), interest(only_in(here, there)))
            if with_it >= thresholds().likely:
                said.append((Aspect.OFFER, f"只有{who}所见像是招揽（{with_it:.2f} 与 {without:.2f}）"))
    if not said:
        return None
    return Difference(tuple(aspect for aspect, _ in said), similarity, "；".join(words for _, words in said) + "。")


def _apart(first: Sequence[Answer], second: Sequence[Answer], interest: Interest) -> bool:
    """Whether no answer of one is like any of the other, while something holds for every answer of a side.

    That is: one side always answers alike (the other may not, as where phones are sent to a new host each day); or all
    answers of each are of one kind.
    """
    if not first or not second:
        return False
    if not all(compare(one, other, interest) for one, other in product(first, second)):
        return False
    ones, others = ([_kind(answer, interest) for answer in side] for side in (first, second))
    columns = zip(zip(*ones, strict=True), zip(*others, strict=True), strict=True)
    divided = any(len({*one}) == len({*other}) == 1 and one[0] != other[0] for one, other in columns)
    return divided or _steady(first, interest) or _steady(second, interest)


def _kind(answer: Answer, interest: Interest) -> tuple[int, bool, bool]:
    """What may stay though all words change: the status, whether the visitor was led off the site, whether it is an offer."""
    asked = answer.hops[0].url if answer.hops else answer.final_url
    return (
        _standing(answer.status),
        _site(asked) != _site(answer.final_url),
        interest(answer.text) >= thresholds().likely,
    )


def _steady(answers: Sequence[Answer], interest: Interest) -> bool:
    return not any(compare(one, other, interest) for one, other in pairwise(answers))


def _cloaked(answers: Answers, interest: Interest) -> list[tuple[str, Named]]:
    """The profiles shown something else than the first, each with the variable that makes it so."""
    first, *others = answers
    if len(answers[first]) < 2:  # not known to be like itself
        return []
    found: dict[str, Named] = {}
    for profile_id in others:
        if not _apart(answers[first], answers[profile_id], interest):
            continue
        profile = answers[profile_id][0].profile
        parent = profile.against
        # Shown the same as what it is held against: then that one's variable has decided already.
        inherited = parent in found and not _apart(answers[parent], answers[profile_id], interest)
        found[profile_id] = found[parent] if inherited else profile.variable or profile
    return list(found.items())


def _unsteady(answers: Answers, interest: Interest) -> tuple[Answer, Answer, Difference] | None:
    """Two answers that differ, of one profile if there are such."""
    one_profile = (pair for seen in answers.values() for pair in combinations(seen, 2))
    first, *others = answers.values()
    between = (pair for seen in others for pair in product(first, seen))
    for pairs in (one_profile, between):
        for one, other in pairs:
            if difference := compare(one, other, interest):
                return one, other, difference
    return None


def _findings(answers: Answers, interest: Interest) -> tuple[Finding, ...]:
    first = next(iter(answers))
    found = []
    for profile_id, variable in _cloaked(answers, interest):
        one, other = answers[first][0], answers[profile_id][0]
        difference = compare(one, other, interest)
        assert difference is not None
        times = f"{len(answers[first])} 次与 {len(answers[profile_id])} 次访问均如此"
        sentence = f"{difference.sentence}{times}，由{variable.zh}决定。"
        found.append(Finding(one, other, difference, variable.id, sentence))
    if not found and (pair := _unsteady(answers, interest)):
        one, other, difference = pair
        same = one.profile.id == other.profile.id
        who = f"同为“{one.profile.zh}”，两次所见不同" if same else "所见不同，但未能稳定重现"
        found.append(Finding(one, other, difference, UNSTABLE, f"{who}：{difference.sentence}不作为区别对待的依据。"))
    return tuple(found)


def _standing(status: int) -> int:
    """Answers that bring a page are alike; of the others, each status is its own."""
    return 200 if 200 <= status < 400 else status


def _status(status: int) -> str:
    return f"得到 {status}" if status else "没有得到回应"


def _landing(who: str, answer: Answer) -> str:
    host = host_of(answer.final_url)
    return f"{who}被带到 {host}" if any(host_of(hop.url) != host for hop in answer.hops) else f"{who}停在 {host}"


def _site(url: str) -> str:
    """The registrable domain, so that a site's own ``m.`` host is the same site; on a shared platform the account's."""
    host = host_of(url)
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        found = _suffixes(host, include_psl_private_domains=True)
        return found.top_domain_under_public_suffix or ".".join(host.rsplit(".", 2)[-2:])
