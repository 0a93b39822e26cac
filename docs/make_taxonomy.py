"""Writes ``taxonomy.md`` from ``data/facts/taxonomy.yml``: ``python docs/make_taxonomy.py``. A test keeps both alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from data.facts import Indicator, taxonomy

PAGE = Path(__file__).parent / "taxonomy.md"


def rows(indicators: Sequence[Indicator]) -> str:
    """A table row for each: names, definition, clauses by legal basis, what is one and what only looks like it."""
    return "\n".join(
        f"| `{each.id}` | {each.zh} · {each.en} | {each.definition} | "
        f"{'；'.join(f'{basis}号{clause}' for basis, clause in each.clauses.items()) or '–'} | "
        f"{'；'.join(each.examples)} | {'；'.join(each.counter_examples)} |"
        for each in indicators
    )


def text() -> str:
    """The whole page."""
    facts = taxonomy()
    parts = (
        ("Activities · 业务", facts.activities),
        ("Roles · 角色", facts.roles),
        ("Audience · 受众", facts.audience),
        ("Genres that offer · 招揽类体裁", [genre for genre in facts.genres if genre.stance == "offer"]),
        ("Innocent genres · 非招揽体裁", [genre for genre in facts.genres if genre.stance == "innocent"]),
    )
    tables = "\n\n".join(
        f"## {title}\n\n| id | name | definition | clause | is one | only looks like one |\n|---|---|---|---|---|---|\n{rows(of)}"
        for title, of in parts
    )
    return (
        "# What pages are told apart by · 指标与体裁\n\nWritten by `python docs/make_taxonomy.py` from `data/facts/taxonomy.yml`, "
        "which the classifier, the desk and the reports read too. Stance decides, not topic. An indicator without a clause is "
        f"none of the notice of 2021: it can be seen, not cited, until the later notice's text is held.\n\n{tables}\n"
    )


if __name__ == "__main__":
    PAGE.write_text(text(), "utf8")
