"""Facts that change, as reviewed YAML under ``data/facts`` with a schema here. Everything is validated when loaded."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from data.records import Kind

T = TypeVar("T")
ROOT = Path(__file__).parent
FACTS = ROOT / "facts"


class FactsError(Exception):
    """A file of facts is missing or breaks its schema; the message names the file, the place and the fault."""


class Fact(BaseModel):
    """Strict and frozen: an unknown key is a spelling mistake until somebody says otherwise."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _unique(items: tuple[Named, ...]) -> tuple[Named, ...]:
    ids = [item.id for item in items]
    if len(ids) != len(set(ids)):
        raise ValueError("an id occurs twice")
    return items


class Named(Fact):
    """Anything with an id and its name in both languages of the desk."""

    id: str
    zh: str
    en: str


class Indicator(Named):
    """An activity, role or audience: its definition, the clause it touches by legal basis, and how to tell it."""

    definition: str
    clauses: Mapping[str, str]
    examples: tuple[str, ...]
    counter_examples: tuple[str, ...]


class Genre(Indicator):
    """What a page is, and which way that points: an offer, or something innocent that shares its words."""

    stance: Literal["offer", "innocent"]


class Taxonomy(Fact):
    """Activities （二）, roles （十）, audience （三）, genres, and the reviewer's answers to the stance question."""

    activities: Annotated[tuple[Indicator, ...], AfterValidator(_unique)]
    roles: Annotated[tuple[Indicator, ...], AfterValidator(_unique)]
    audience: Annotated[tuple[Indicator, ...], AfterValidator(_unique)]
    genres: Annotated[tuple[Genre, ...], AfterValidator(_unique)]
    stances: Annotated[tuple[Named, ...], AfterValidator(_unique)]
    grounds: Annotated[tuple[Named, ...], AfterValidator(_unique)]

    @property
    def indicators(self) -> dict[str, Indicator]:
        return {i.id: i for i in (*self.activities, *self.roles, *self.audience)}

    def genre(self, genre_id: str) -> Genre:
        return next(genre for genre in self.genres if genre.id == genre_id)


class Clause(Fact):
    id: str
    text: str


class LegalBasis(Fact):
    """A document a letter may cite, between the dates it was in force, by the clauses whose text is held."""

    id: str
    issuer: str
    number: str
    title: str
    effective_from: date
    effective_until: date | None = None
    status: Literal["complete", "needs-official-text"]
    clauses: tuple[Clause, ...]

    def in_force(self, day: date) -> bool:
        """In force from the first day on, and no longer on the day its repeal took effect."""
        return self.effective_from <= day and (self.effective_until is None or day < self.effective_until)

    def clause(self, clause_id: str) -> Clause | None:
        return next((clause for clause in self.clauses if clause.id == clause_id), None)


class Authority(Fact):
    """Whom a referral goes to: what they can close, and which filing-number prefixes lead to them."""

    id: str
    name: str
    region: str
    prefixes: tuple[str, ...] = ()
    closes: tuple[Kind, ...]
    channel: str


class Platform(Fact):
    """A shared platform: only the account's path, or the account's own host, may be a target, never the platform."""

    host: str
    unit_segments: int = Field(ge=0, description="path segments that name one account; 0: each sub-domain is one")
    name: str


class Viewport(Fact):
    """In CSS pixels."""

    width: int = Field(gt=0)
    height: int = Field(gt=0)


class Profile(Named):
    """A visitor: what it sends and the screen it has. It differs from ``against`` in ``variable`` and in nothing else."""

    user_agent: str
    viewport: Viewport
    referer: str = ""
    headers: Mapping[str, str] = {}
    is_mobile: bool = False
    has_touch: bool = False
    against: str = ""
    variable: Named | None = None


def _tree(profiles: tuple[Profile, ...]) -> tuple[Profile, ...]:
    known: set[str] = set()
    for profile in profiles:
        if known and (profile.against not in known or profile.variable is None):
            raise ValueError(f"{profile.id} must name its variable, and in against an earlier profile")
        if not known and (profile.against or profile.variable):
            raise ValueError("the first profile is held against nothing")
        known.add(profile.id)
    return profiles


class Visitors(Fact):
    """Every profile, each after the one it is held against."""

    profiles: Annotated[tuple[Profile, ...], Field(min_length=1), AfterValidator(_unique), AfterValidator(_tree)]


class Promises(Fact):
    """What the limits of the bands keep to, at ``confidence``: of innocent pages that share the subject at most the share
    ``false_alarms`` is put before a reviewer, and of offers at most the share ``missed`` is seen by nobody."""

    false_alarms: float = Field(gt=0, lt=1)
    missed: float = Field(gt=0, lt=1)
    confidence: float = Field(gt=0, lt=1)


class Thresholds(Fact):
    """From ``likely`` on a page is an offer sooner than not; ``near`` pages are rendered though their text looks complete.
    ``sampled`` is the share of the targets between both bands' limits that a person sees all the same."""

    likely: float = Field(gt=0, lt=1)
    near: float = Field(gt=0, lt=1)
    sampled: float = Field(ge=0, le=1)
    promises: Promises


def _letters(points: str) -> str:
    return "".join(chr(int(point, 16)) for point in points.split())


Forms = Mapping[str, tuple[str, ...]]


class Disguises(Fact):
    """How words are written to get past a filter: by what is meant, the forms it is met in."""

    words: tuple[str, ...] = Field(description="looked for beside the lexicon's terms")
    letters: Mapping[str, Annotated[str, AfterValidator(_letters)]] = Field(description="written as code points")
    leet: Mapping[str, str] = Field(description="by Latin letter, the digit inside a word")
    shapes: Mapping[str, str] = Field(description="by Han character, those that look like it")
    parts: Forms
    sounds: Forms
    initials: Forms
    signs: Forms
    numbers: Forms
    unsure: frozenset[str] = Field(description="forms that are also something ordinary and need a neighbour")
    everyday: frozenset[str] = Field(description="terms that are never disguised")
    ordinary: frozenset[str] = Field(description="words that only sound or look like a term")
    apart: frozenset[str] = Field(description="pairs of characters of one sound and two meanings")

    @model_validator(mode="after")
    def _unsure_of_something(self) -> Disguises:
        tables = (self.parts, self.sounds, self.initials, self.signs, self.numbers)
        unknown = self.unsure.difference(form for table in tables for forms in table.values() for form in forms)
        if unknown:
            raise ValueError(f"unsure names {'、'.join(sorted(unknown))}, which no table has")
        return self


def _load(name: str, kind: type[T]) -> T:
    path = FACTS / name
    try:
        return TypeAdapter(kind).validate_python(yaml.safe_load(path.read_text("utf8")))
    except OSError as error:
        raise FactsError(f"无法读取 {path}（{error.strerror}）。") from error
    except (yaml.YAMLError, ValidationError) as error:
        raise FactsError(f"{path} 的内容不合格式要求：{error}") from error


@cache
def taxonomy() -> Taxonomy:
    return _load("taxonomy.yml", Taxonomy)


@cache
def legal_bases() -> tuple[LegalBasis, ...]:
    """Every basis known, the newest first."""
    return tuple(sorted(_load("legal_bases.yml", tuple[LegalBasis, ...]), key=lambda b: b.effective_from, reverse=True))


@cache
def authorities() -> tuple[Authority, ...]:
    return _load("authorities.yml", tuple[Authority, ...])


@cache
def platforms() -> tuple[Platform, ...]:
    return _load("platforms.yml", tuple[Platform, ...])


@cache
def profiles() -> tuple[Profile, ...]:
    """The visitors, the one crawls use first; each after the one it is held against."""
    return _load("profiles.yml", Visitors).profiles


@cache
def thresholds() -> Thresholds:
    return _load("thresholds.yml", Thresholds)


@cache
def lexicon() -> Mapping[str, tuple[str, ...]]:
    """Terms by category: the indicators' own, ``solicit`` (asking the reader to act) and ``counter_*`` (innocence)."""
    return _load("lexicon.yml", dict[str, tuple[str, ...]])


@cache
def disguises() -> Disguises:
    return _load("disguises.yml", Disguises)


def basis_on(day: date) -> LegalBasis | None:
    """The basis in force on the day of the conduct; ``None`` when the system knows of none."""
    return next((basis for basis in legal_bases() if basis.in_force(day)), None)
