"""The cleanliness record (清洁性检查) of a run: what the evidence was made with, and that nothing stood in between."""

from __future__ import annotations

import hashlib
import os
import platform
import ssl
import sys
import time
from importlib.metadata import version
from pathlib import Path

from crawler.clock import kernel_clock

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_TOOLS = ("takedown", "scrapy", "aiohttp", "dnspython", "cryptography", "certifi", "playwright", "warcio", "selectolax")


def environment() -> dict[str, str]:
    """Machine, tools, resolver, hosts file, proxy and clock state, as text by name. Reads files only; asks no network.

    What is known only when a run has ended (the browser's version, the servers' clocks) is added then.
    """
    resolver = _lines("/etc/resolv.conf", "nameserver")
    return {
        "system": platform.platform(),
        "python": sys.version.split()[0],
        **{tool: version(tool) for tool in _TOOLS},
        "openssl": ssl.OPENSSL_VERSION,
        "resolver": ", ".join(resolver) or "system default",
        "hosts_file_sha256": _digest("/etc/hosts"),
        "proxy_variables": ", ".join(name for name in _PROXIES if os.environ.get(name)) or "none",
        "proxy": "none: connections are direct, the browser's through the run's own egress proxy on loopback",
        **kernel_clock(),
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
