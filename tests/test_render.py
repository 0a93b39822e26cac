"""A real Chromium: it sees what scripts write, stops at nothing, and gets out only where the policy lets it."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator

import pytest
from playwright.async_api import Error as PlaywrightError
from web import LIBRARY, PNG, SECRET, Web, serve

from crawler.egress import ConnectTo, Egress
from crawler.extract import read_page
from crawler.render import SCREENSHOT_HEIGHT, NoBrowser, Renderer, View
from data.facts import profiles


class Screen:
    """One Chromium for all tests of this file, with a loop of its own."""

    def __init__(self, egress: Egress) -> None:
        self.loop = asyncio.new_event_loop()
        self.renderer = Renderer(egress, profiles()[0])

    def view(self, url: str) -> View:
        return self.loop.run_until_complete(self.renderer.view(url))

    def close(self) -> None:
        self.loop.run_until_complete(self.renderer.close())
        self.loop.close()


@pytest.fixture(scope="module")
def screen(web: Web) -> Iterator[Screen]:
    rules = [ConnectTo.parse(f"{host}:80:127.0.0.1:{web.port}") for host in ("shown.test", "other.test")]
    opened = Screen(Egress(tuple(rules)))
    yield opened
    opened.close()


def png_size(content: bytes) -> tuple[int, int]:
    assert content.startswith(PNG[:8])
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def test_a_page_built_by_script_is_seen_past_its_dialogs(screen: Screen) -> None:
    view = screen.view("http://shown.test/script")
    assert SECRET in read_page(view.dom, view.final_url).text
    assert view.final_url == "http://shown.test/script"
    assert png_size(view.screenshot)[0] == 1366
    assert screen.renderer.version


def test_late_text_is_seen_and_hardly_waited_for(screen: Screen) -> None:
    view = screen.view("http://shown.test/late")
    assert SECRET in view.dom
    assert not view.note


def test_an_answer_that_never_comes_is_not_waited_for(screen: Screen) -> None:
    view = screen.view("http://shown.test/never")
    assert SECRET in view.dom
    assert view.note == "页面未能静止"
    assert png_size(view.screenshot)[0] == 1366


def test_what_frames_show_is_part_of_the_page(screen: Screen) -> None:
    said = read_page(screen.view("http://shown.test/framed").dom, "http://shown.test/framed").text
    assert SECRET in said
    assert LIBRARY in said


def test_a_redirect_ends_where_it_ends_and_a_tall_page_is_cut(screen: Screen) -> None:
    assert screen.view("http://shown.test/redirect/2").final_url == "http://shown.test/redirect/0"
    view = screen.view("http://shown.test/tall")
    assert png_size(view.screenshot)[1] == SCREENSHOT_HEIGHT
    assert str(SCREENSHOT_HEIGHT) in view.note


def test_no_page_reaches_an_address_the_policy_refuses(screen: Screen, web: Web) -> None:
    with serve() as forbidden:
        view = screen.view(f"http://shown.test/probe/{forbidden.port}")
        said = read_page(view.dom, view.final_url).text
        assert "socket-failed" in said
        assert "socket-open" not in said
        assert web.asked("shown.test", f"/away/{forbidden.port}")
        for path in ("/", "/script"):
            with pytest.raises(PlaywrightError, match="出口策略不允许"):
                screen.view(f"http://127.0.0.1:{forbidden.port}{path}")
        for url in (f"http://shown.test/away/{forbidden.port}", "http://shown.test/jump"):
            with pytest.raises(PlaywrightError, match="出口策略不允许"):
                screen.view(url)
        with pytest.raises(PlaywrightError):
            screen.view(f"https://127.0.0.1:{forbidden.port}/")
        assert forbidden.hits == []


def test_the_second_server_would_have_answered(web: Web) -> None:
    """The probe proves something only when every way it tries works where it is allowed."""
    with serve() as other:
        rules = (f"shown.test:80:127.0.0.1:{web.port}", "::127.0.0.1:")
        screen = Screen(Egress(tuple(map(ConnectTo.parse, rules))))
        try:
            said = read_page(screen.view(f"http://shown.test/probe/{other.port}").dom, "http://shown.test/").text
        finally:
            screen.close()
        assert "socket-open" in said
        assert {"/image", "/frame", "/fetch", "/popup", "/style", "/socket", "/redirected"} <= {
            hit.path for hit in other.hits
        }


def test_each_page_starts_clean(screen: Screen, web: Web) -> None:
    screen.view("http://shown.test/headers")
    screen.view("http://shown.test/headers")
    assert all("Cookie" not in hit.headers for hit in web.asked("shown.test", "/headers"))


def test_without_a_browser_there_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    empty = str(tmp_path_factory.mktemp("empty"))
    monkeypatch.setenv("PATH", empty)
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", empty)
    screen = Screen(Egress())
    try:
        for _ in range(2):
            with pytest.raises(NoBrowser, match=r"无法启动 Chromium.*takedown doctor"):
                screen.view("http://shown.test/")
    finally:
        screen.close()
