"""What all commands share at the terminal: two consoles, progress only where somebody watches, times as people read them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

SHANGHAI = ZoneInfo("Asia/Shanghai")

# In a pipe there is no width to fit; wide enough that a table keeps its rows whole.
out = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
err = Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """A progress display on a terminal; nothing at all in a pipe."""
    columns = (SpinnerColumn(), TextColumn(what), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as display:
        yield display


def print_json(value: Any) -> None:
    """One JSON value on one line of standard output, whatever its text holds."""
    line = json.dumps(value, ensure_ascii=False)
    out.file.write(line.encode("utf-8", "replace").decode() + "\n")


def local(moment: datetime) -> str:
    """A moment as people here read it."""
    return moment.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")
