"""How far the clock that dates the evidence can be trusted: by the kernel, and by the servers that were asked."""

from __future__ import annotations

import ctypes
from collections import defaultdict
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from statistics import median
from typing import ClassVar

# A host's clock is asked so often at most: what is wanted is many clocks, not one many times.
SAMPLES = 5
# The Date header counts whole seconds (RFC 9110, 5.6.7) and is half a second behind on average.
ROUNDING = timedelta(seconds=0.5)


class _Timex(ctypes.Structure):
    """``struct timex`` of Linux's ``adjtimex(2)``, as far as it is read; the rest is room."""

    _fields_: ClassVar = [
        ("modes", ctypes.c_uint),
        *((name, ctypes.c_long) for name in ("offset", "freq", "maxerror", "esterror")),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    ]


_UNSYNCHRONISED = 0x40  # STA_UNSYNC


def kernel_clock() -> dict[str, str]:
    """What the kernel says of its clock, asked without changing it: whether something (NTP) keeps it, and its own bound of
    the error in milliseconds. ``unknown`` where the kernel does not say."""
    state = _Timex()
    try:
        answered = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(state)) >= 0
    except (AttributeError, OSError):
        answered = False
    if not answered:
        return {"clock_synchronised": "unknown"}
    if state.status & _UNSYNCHRONISED:
        return {"clock_synchronised": "no"}
    return {"clock_synchronised": "yes", "clock_error_bound_ms": f"{state.maxerror / 1000:.0f}"}


class ServerClocks:
    """The difference between the servers' clocks (their ``Date`` headers) and ours, over a run."""

    def __init__(self) -> None:
        self._found: defaultdict[str, list[float]] = defaultdict(list)

    def hear(self, host: str, date: str, at: datetime) -> None:
        """Take what a server said when its answer came; what is no date is nothing."""
        seen = self._found[host]
        if len(seen) < SAMPLES:
            try:
                seen.append((parsedate_to_datetime(date) + ROUNDING - at).total_seconds())
            except (TypeError, ValueError, OverflowError):
                return

    def told(self) -> dict[str, float]:
        """``servers`` that named a time, and the median over them of theirs less ours, in seconds; one is no witness."""
        each = [median(found) for found in self._found.values() if found]
        return {"servers": len(each)} | ({"offset_seconds": round(median(each), 2)} if each else {})
