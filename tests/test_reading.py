"""Reading pages in processes of their own: what the server sent, what the browser made of it, and what breaks a reader."""

from __future__ import annotations

import asyncio

import pytest

from crawler import reading
from crawler.reading import Readers, Unreadable, read

STATIC = "<title>下载</title><p>欧易应用官方下载页面，安卓与苹果均可安装。</p><a href=/static>静态</a>"


def test_a_browser_that_guessed_the_encoding_wrong_is_not_believed() -> None:
    wrong = f"<p>{'下载应用'.encode().decode('latin-1') * 30}</p>"
    assert "官方下载页面" in read(STATIC.encode(), "text/html", "http://a.test/", wrong, "http://a.test/").text


def test_what_a_script_built_comes_first_and_both_give_links() -> None:
    dom = "<title>交易</title><p>脚本写出的正文，比静态页面多得多。这里是交易页面的内容。</p><a href=/dynamic>动态</a>"
    found = read(STATIC.encode(), "text/html; charset=utf-8", "http://a.test/", dom, "http://a.test/")
    assert "脚本写出的正文" in found.text
    assert found.title == "交易"
    assert {anchor.url for anchor in found.anchors} == {"http://a.test/dynamic", "http://a.test/static"}


def _slow() -> reading.Interest:
    def interest(_: str) -> float:
        while True:
            pass

    return interest


def _fatal() -> reading.Interest:
    def interest(text: str) -> float:
        if "坏" in text:
            raise SystemExit(1)
        return 0.5

    return interest


def test_a_reader_that_does_not_come_back_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "READ_SECONDS", 0.5)

    async def scenario() -> None:
        readers = Readers(_slow, count=1)
        try:
            with pytest.raises(Unreadable, match="秒内未能读完"):
                await readers.read(STATIC.encode(), "text/html", "http://a.test/")
            readers.interest = None
            readers._replace(readers._pool)
            monkeypatch.setattr(reading, "READ_SECONDS", 20.0)
            assert "官方" in (await readers.read(STATIC.encode(), "text/html", "http://a.test/")).text
        finally:
            readers.close()

    asyncio.run(scenario())


def test_the_interest_is_loaded_in_the_reader() -> None:
    async def scenario() -> float:
        readers = Readers(_fatal, count=1)
        try:
            return (await readers.read(STATIC.encode(), "text/html", "http://a.test/")).interest
        finally:
            readers.close()

    assert asyncio.run(scenario()) == 0.5
