"""A running desk for tests: a real server on loopback, accounts for every role, and hands for a real Chromium.

The fixtures have names of their own: the Playwright plugin, where it is installed, has a ``browser`` and a ``context``.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from urllib.parse import urlencode

import pytest
import uvicorn
from homes import make_home
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright
from playwright.sync_api import Page as Tab

from data.records import Bands, State
from data.store import Store
from review import accounts
from review.desk import create_app
from review.rights import ROLES
from review.visit import form_token

PASSWORD = "correct-horse-battery"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@dataclass(frozen=True)
class Desk:
    """A running desk: where it listens and the home it works on."""

    url: str
    home: Path

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    def state(self, case: int) -> State:
        with Store(self.home) as store:
            return store.case(case).state

    def session(self, name: str) -> str:
        """A session of the account without the log-in page."""
        token = f"token of {name} {datetime.now(UTC).isoformat()}"
        with Store(self.home) as store:
            store.save_session(hashlib.sha256(token.encode()).hexdigest(), name, datetime.now(UTC) + timedelta(hours=1))
        return token

    def ask(
        self, method: str, path: str, token: str = "", form: dict[str, str] | None = None, **headers: str
    ) -> tuple[int, dict[str, str], str]:
        """Status, headers and text of one request, sent with exactly these headers."""
        connection = HTTPConnection(self.host, timeout=30)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            sent["Cookie"] = f"session={token}"
        if form is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, urlencode(form) if form is not None else None, sent)
        response = connection.getresponse()
        text = response.read().decode("utf8", "replace")
        connection.close()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, text

    def post(self, path: str, token: str, **form: str) -> tuple[int, dict[str, str], str]:
        """A form as the desk's own page sends it."""
        whole = {"csrf": form_token(token), **form}
        return self.ask("POST", path, token, whole, Origin=self.url, Sec_Fetch_Site="same-origin")


@contextmanager
def served(home: Path, secure: bool = False) -> Iterator[Desk]:
    """The desk over a home, on a free port of loopback."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(home, Bands(0.5, 0.5, 0.0), secure), log_level="warning"))
    thread = Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield Desk(f"http://127.0.0.1:{listener.getsockname()[1]}", home)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def staff(home: Path) -> None:
    """One account per role, a second reviewer, and a demonstration one; all with the same (slow) password hash."""
    with Store(home) as store:
        first = accounts.create(store, "reviewer", "李明", "reviewer", PASSWORD)
        for name, role in [(role, role) for role in ROLES if role != "reviewer"] + [("second", "reviewer")]:
            store.save_user(replace(first, name=name, display=ROLES[role].zh, role=role))
        store.save_user(replace(first, name="demo", display="演示员", demo=True))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    make_home(tmp_path)
    staff(tmp_path)
    with served(tmp_path) as running:
        yield running


@pytest.fixture
def visitor(chromium: Browser) -> Iterator[BrowserContext]:
    opened = chromium.new_context(viewport={"width": 1366, "height": 768})
    yield opened
    opened.close()


def log_in(visitor: BrowserContext, desk: Desk, name: str) -> Tab:
    """Logs in by keyboard alone."""
    tab = visitor.new_page()
    tab.goto(f"{desk.url}/login")
    expect(tab.locator("[name=name]")).to_be_focused()
    tab.keyboard.type(name)
    tab.keyboard.press("Tab")
    tab.keyboard.type(PASSWORD)
    tab.keyboard.press("Enter")
    expect(tab.locator(".who")).to_be_visible()
    return tab


def press(tab: Tab, *keys: str) -> None:
    """Presses the keys once the page listens to them (its script shows the button that lists them) and was painted:
    Chromium drops what is pressed between a navigation and the first picture of the new page."""
    expect(tab.locator("#help")).to_be_visible()
    tab.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    for key in keys:
        tab.keyboard.press(key)
