"""The cleanliness record (清洁性检查) of a run: what the evidence was made with, and that nothing stood in between."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_TOOLS = ("scrapy", "aiohttp", "playwright", "warcio", "selectolax")


def environment() -> dict[str, str]:
    """Machine, tools, resolver, hosts file and proxy state, as text by name. Reads files only; asks no network."""
    resolver = _lines("/etc/resolv.conf", "nameserver")
    return {
        "system": platform.platform(),
        "python": sys.version.split()[0],
        **{tool: version(tool) for tool in _TOOLS},
        "resolver": ", ".join(resolver) or "system default",
        "hosts_file_sha256": _digest("/etc/hosts"),
        "proxy_variables": ", ".join(name for name in _PROXIES if os.environ.get(name)) or "none",
        "clock_utc_offset_seconds": str(-time.timezone if not time.daylight else -time.altzone),
        "browser_profile": "new and empty for every page",
    }


def _lines(path: str, word: str) -> list[str]:
    try:
        return [line.split()[1] for line in Path(path).read_text().splitlines() if line.startswith(word + " ")]
    except (OSError, IndexError):
        return []


def _digest(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return "none"
