"""What is said of the clock that dates the evidence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from hypothesis import given
from hypothesis import strategies as st

from crawler.clock import ServerClocks, kernel_clock

NOW = datetime(2026, 3, 1, 4, 5, 6, 500_000, UTC)


def said(offset: float) -> str:
    return format_datetime(NOW + timedelta(seconds=offset), usegmt=True)


def test_the_kernel_is_asked_and_may_not_know() -> None:
    assert kernel_clock()["clock_synchronised"] in {"yes", "no", "unknown"}


def test_servers_are_counted_once_each_however_often_they_speak() -> None:
    clocks = ServerClocks()
    assert clocks.told() == {"servers": 0}
    for _ in range(50):
        clocks.hear("wrong.test", said(7200), NOW)
    for host in ("a.test", "b.test"):
        clocks.hear(host, said(-3), NOW)
    assert clocks.told() == {"servers": 3, "offset_seconds": -3.0}


@given(st.text())
def test_what_is_no_date_is_nothing(date: str) -> None:
    clocks = ServerClocks()
    clocks.hear("a.test", date, NOW)
    clocks.hear("b.test", "Wed, 21 Oct 2015 07:28:00", NOW)  # a date without a zone is none either
    assert clocks.told()["servers"] == 0
