"""Times as people on the mainland read them: Asia/Shanghai."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

# A fixed offset: China keeps +08:00 all year, and a machine without a time-zone database must show the same times.
CHINA = timezone(timedelta(hours=8), "Asia/Shanghai")


def shanghai(moment: datetime) -> datetime:
    """The same instant on a Shanghai clock."""
    return moment.astimezone(CHINA)


def clock(moment: datetime) -> str:
    """Hours and minutes on a Shanghai clock, for sentences."""
    return f"{shanghai(moment):%H:%M}"
