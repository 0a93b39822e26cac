"""What several tests share: one server for the whole session, and the command as its users run it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from desks import chromium, desk, visitor  # noqa: F401 - fixtures
from web import Web, serve

from data.facts import ROOT
from takedown.demoweb import serve_sites


@pytest.fixture(scope="session")
def web() -> Iterator[Web]:
    """The server that misbehaves on request."""
    with serve() as running:
        yield running


@pytest.fixture(scope="session")
def demoweb_port() -> Iterator[int]:
    """The demonstration web, served."""
    with serve_sites(ROOT / "demoweb" / "sites") as port:
        yield port


def start(home: Path, *arguments: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """Start ``python -m takedown`` in a home without a delay between requests, unless it has a configuration."""
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "config.yml").exists():
        (home / "config.yml").write_text("crawl: {delay: 0}\n", "utf8")
    return subprocess.Popen(
        [sys.executable, "-m", "takedown", "--home", str(home), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | (env or {}),
        cwd=ROOT.parent,
    )


def seed_file(folder: Path, *lines: str) -> str:
    """A seed list in a folder; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "seeds.txt"
    path.write_text("\n".join(lines), "utf8")
    return str(path)


def finish(process: subprocess.Popen[str], timeout: float = 80) -> subprocess.CompletedProcess[str]:
    """Wait for a started command; kills it when it takes too long."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def takedown(home: Path, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return finish(start(home, *arguments, env=env))


def crawl_arguments(seeds: str, port: int, *more: str) -> Sequence[str]:
    """The arguments of a crawl in which every host is on loopback."""
    return ("crawl", "--seeds", seeds, *more, "--connect-to", f"::127.0.0.1:{port}")
