"""How a benchmark tells its figures: a table with goal and peer, JSON, its part of ``docs/benchmarks.md``, an exit code."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import isnan
from pathlib import Path

from rich.console import Console
from rich.table import Table

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure. ``goal`` is a bound such as ``> 0.9``; without one nothing is promised. ``peer`` says beside what."""

    name: str
    value: float
    goal: str = ""
    peer: str = ""

    @property
    def reached(self) -> bool:
        if not self.goal:
            return True
        sign, bound = self.goal.split()
        return {
            ">": self.value > float(bound),
            ">=": self.value >= float(bound),
            "<": self.value < float(bound),
            "<=": self.value <= float(bound),
            "=": self.value == float(bound),
        }[sign]


@dataclass(frozen=True, slots=True)
class Grid:
    """Several systems measured alike: a row each, under columns; ``nan`` where one has no such figure."""

    columns: tuple[str, ...]
    rows: Mapping[str, tuple[float, ...]]

    def shown(self) -> list[list[str]]:
        return [[name, *("–" if isnan(v) else f"{v:.4g}" for v in values)] for name, values in self.rows.items()]


def tell(
    name: str, title: str, figures: Sequence[Figure], *, as_json: bool, write: bool, grid: Grid | None = None
) -> int:
    """Print the figures and, when ``write``, put them into the page. Returns the exit code: 1 when one is short."""
    if as_json:
        print(json.dumps([asdict(f) | {"reached": f.reached} for f in figures], ensure_ascii=False))
    else:
        if grid is not None:
            systems = Table("", *grid.columns, title=title, title_justify="left")
            for cells in grid.shown():
                systems.add_row(*cells)
            Console(width=None if Console().is_terminal else 160).print(systems)
        table = Table("figure", "value", "goal", "peer", title=title, title_justify="left")
        for f in figures:
            table.add_row(f.name, f"{f.value:.4g}", f.goal + ("" if f.reached else "  SHORT"), f.peer)
        Console(width=None if Console().is_terminal else 120).print(table)
    if write:
        _write(name, title, figures, grid)
    return 0 if all(f.reached for f in figures) else 1


def _write(name: str, title: str, figures: Sequence[Figure], grid: Grid | None) -> None:
    rows = "\n".join(
        f"| {f.name} | {f.value:.4g} | {f.goal}{'' if f.reached else ' (short)'} | {f.peer} |" for f in figures
    )
    systems = ""
    if grid is not None:
        lines = [["", *grid.columns], ["---"] * (len(grid.columns) + 1), *grid.shown()]
        systems = "".join(f"| {' | '.join(cells)} |\n" for cells in lines) + "\n"
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    part = (
        f"<!-- {name} -->\n## {title}\n\nWritten by `python -m benchmarks.{name}` on {datetime.now(UTC):%Y-%m-%d} ({machine}).\n\n"
        f"{systems}| figure | value | goal | peer |\n|---|---|---|---|\n{rows}\n<!-- /{name} -->\n"
    )
    page = (
        PAGE.read_text("utf8")
        if PAGE.exists()
        else "# Benchmarks\n\nEach part is written by its benchmark; no figure here is typed.\n"
    )
    pattern = re.compile(rf"<!-- {name} -->.*?<!-- /{name} -->\n", re.S)
    page = pattern.sub(lambda _: part, page) if pattern.search(page) else f"{page.rstrip()}\n\n{part}"
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page, "utf8")
