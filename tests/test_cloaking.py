"""Cloaking told from chance: a town of sites, each asked for as every visitor through the crawler's own way out."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from dataclasses import replace

import aiohttp
import pytest
from cloaks import CLOAKED, INNOCENT, OFFER, RAIL, SITES, TEA, Town, serve_cloaks
from playwright.async_api import async_playwright

from crawler.cloaking import ROUNDS, UNSTABLE, Answer, Aspect, Fetch, Visits, compare, deciding_variable, visit_as
from crawler.downloader import EgressConnector
from crawler.egress import ConnectTo, Egress
from crawler.extract import read_page
from crawler.profiles import browser_options, request_headers
from crawler.render import CHROMIUM_ARGUMENTS, find_chromium, sandbox_arguments
from data.facts import Profile, profiles
from data.records import Hop

DESKTOP, PHONE, WECHAT, SEARCH = profiles()
WORDS = ("交易所", "买币", "合约", "返佣", "邀请码", "收U", "立即注册", "进群", "防冻卡", "承兑商")


def interest(text: str) -> float:
    """A stand-in for the classifier, as sure of itself: words of an offer make one."""
    return min(0.3 * sum(word in text for word in WORDS), 0.98)


def answer(profile: Profile = DESKTOP, text: str = TEA, url: str = "http://a.test/", status: int = 200) -> Answer:
    return Answer(profile, url, status, text=text, language="zh")


def downloader(session: aiohttp.ClientSession) -> Fetch:
    async def fetch(url: str, profile: Profile) -> Answer | None:
        try:
            async with session.get(url, headers=request_headers(profile)) as response:
                said = read_page(await response.text(), str(response.url))
                hops = tuple(Hop(str(r.url), r.status, r.headers["Location"]) for r in response.history)
                return Answer(profile, str(response.url), response.status, hops, said.title, said.text, said.language)
        except aiohttp.ClientError:
            return Answer(profile, url, 0)

    return fetch


async def visit_all(town: Town) -> dict[str, Visits]:
    connector = EgressConnector(Egress((ConnectTo.parse(f"::127.0.0.1:{town.port}"),)), force_close=True)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        fetch = downloader(session)
        return {host: await visit_as(f"http://{host}/", profiles(), fetch, interest) for host in SITES}


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with serve_cloaks() as running:
        yield running


@pytest.fixture(scope="module")
def told(town: Town) -> dict[str, Visits]:
    return asyncio.run(visit_all(town))


def test_every_cloaked_site_is_found_and_no_innocent_one(told: dict[str, Visits]) -> None:
    found = {host for host, result in told.items() if result.variable not in ("", UNSTABLE)}
    cloaked = {host for host, site in SITES.items() if site.variable}
    assert (len(cloaked), len(SITES)) == (len(CLOAKED), len(CLOAKED) + len(INNOCENT))
    precision, recall = len(found & cloaked) / len(found), len(found & cloaked) / len(cloaked)
    assert (precision, recall) == (1.0, 1.0), (sorted(found - cloaked), sorted(cloaked - found))


def test_the_deciding_variable_is_named(told: dict[str, Visits]) -> None:
    named = {host: told[host].variable for host, site in SITES.items() if site.variable}
    assert named == {host: site.variable for host, site in SITES.items() if site.variable}


def test_what_changes_by_itself_is_unstable_or_nothing(told: dict[str, Visits]) -> None:
    restless = {host.removesuffix(".test") for host, result in told.items() if result.variable == UNSTABLE}
    assert restless == {
        "by-lot-two", "by-lot-three", "by-turns", "by-turns-three", "redirects-by-lot", "welcome-once", "fails-once",
        "tires", "changed-meanwhile",
    }  # fmt: skip


def test_both_sides_are_kept_with_a_sentence(told: dict[str, Visits]) -> None:
    (finding,) = told["wechat-302.test"].findings
    assert (finding.first.profile.id, finding.second.profile.id) == ("desktop", "wechat")
    assert finding.second.hops == (Hop("http://wechat-302.test/", 302, "http://landing1.test/"),)
    assert TEA[:20] in finding.first.text
    assert OFFER[:20] in finding.second.text
    assert finding.difference.aspects == (Aspect.REDIRECT, Aspect.TEXT, Aspect.OFFER)
    assert finding.sentence.startswith("“电脑浏览器”停在 wechat-302.test，“微信内”被带到 landing1.test；")
    assert finding.sentence.endswith("6 次与 5 次访问均如此，由用户代理（微信）决定。")
    unstable = told["by-turns.test"].findings[0]
    assert unstable.sentence.startswith("同为“电脑浏览器”，两次所见不同：")
    for result in told.values():
        assert bool(result.findings) == bool(result.variable)
        assert all(f.first in result.answers and f.second in result.answers for f in result.findings)


def test_an_honest_site_is_asked_once_more_and_no_oftener(told: dict[str, Visits], town: Town) -> None:
    assert town.asked["plain.test"] == len(told["plain.test"].answers) == len(profiles()) + 1
    assert town.asked["phone-offer.test"] == len(profiles()) + 1 + ROUNDS * 3
    most = len(profiles()) + 1 + ROUNDS * len(profiles())
    assert max(len(result.answers) for result in told.values()) <= most


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_an_answer_drawn_by_lot_hardly_ever_passes_for_cloaking(share: float) -> None:
    def wrong(seed: int) -> bool:
        lot = random.Random(seed)

        async def fetch(url: str, profile: Profile) -> Answer | None:
            return answer(profile, TEA if lot.random() < share else OFFER, url)

        return asyncio.run(visit_as("http://a.test/", profiles(), fetch, interest)).variable not in ("", UNSTABLE)

    assert sum(map(wrong, range(400))) <= 0.01 * 400


def test_what_we_did_not_ask_for_is_no_answer() -> None:
    async def fetch(url: str, profile: Profile) -> Answer | None:
        return None if profile.is_mobile else answer(profile, TEA if profile is DESKTOP else OFFER, url)

    result = asyncio.run(visit_as("http://a.test/", profiles(), fetch))
    assert result.variable == "referer"
    assert {one.profile.id for one in result.answers} == {"desktop", "search"}

    async def nothing(_: str, __: Profile) -> Answer | None:
        return None

    assert asyncio.run(visit_as("http://a.test/", profiles(), nothing)) == Visits("http://a.test/", (), (), "")


def test_nothing_is_called_cloaked_before_the_first_visitor_came_twice() -> None:
    phone = [answer(PHONE, OFFER)] * 3
    assert deciding_variable({"desktop": [answer()], "phone": phone}) == UNSTABLE
    assert deciding_variable({"desktop": [answer()] * 2, "phone": phone}) == "user_agent:phone"
    assert deciding_variable({"desktop": [answer()] * 2, "phone": [answer(PHONE)]}) == ""


def test_each_aspect_by_itself() -> None:
    def aspects(second: Answer, first: Answer | None = None) -> tuple[Aspect, ...]:
        difference = compare(first or answer(), second, interest)
        return difference.aspects if difference else ()

    assert aspects(answer(PHONE)) == ()
    assert aspects(answer(PHONE, url="https://m.a.test/wap")) == ()
    assert aspects(answer(PHONE, url="http://b.test/")) == (Aspect.REDIRECT,)
    assert aspects(answer(PHONE, url="http://b.com.cn/"), answer(url="http://a.com.cn/")) == (Aspect.REDIRECT,)
    assert aspects(answer(PHONE, url="http://m.b.com.cn/"), answer(url="http://b.com.cn/")) == ()
    assert aspects(answer(PHONE, url="http://127.0.0.2/"), answer(url="http://127.0.0.1/")) == (Aspect.REDIRECT,)
    assert aspects(answer(PHONE, status=403)) == (Aspect.STATUS,)
    assert aspects(answer(PHONE, status=0, text="")) == (Aspect.STATUS,)
    assert aspects(answer(PHONE, RAIL)) == (Aspect.TEXT,)
    assert aspects(replace(answer(PHONE, "Tea and rail and farm, all in one."), language="en")) == (
        Aspect.TEXT,
        Aspect.LANGUAGE,
    )
    assert aspects(answer(PHONE, f"{TEA}\n{OFFER}")) == (Aspect.OFFER,)


@pytest.mark.parametrize("unit", [" ", "_", "1", "a1", "a ", "文 ", "\u00a0", "ﷺ", "a\n", "，"])
def test_hostile_text_takes_no_time(unit: str) -> None:
    text = unit * (400_000 // len(unit))
    began = time.process_time()
    compare(answer(text=text), answer(PHONE, f"{text}茶"))
    assert time.process_time() - began < 2


def test_sentences_hold_no_words_of_the_page() -> None:
    hostile = Answer(PHONE, "http://b.test/<script>", 200, title="<b>=cmd</b>", text="<script>=1+1</script>" * 9)
    difference = compare(answer(), hostile, lambda _: 0.0)
    assert difference is not None
    assert "<" not in difference.sentence
    assert "cmd" not in difference.sentence


def test_a_browser_is_what_its_profile_says(town: Town) -> None:
    """The page tells what it was sent; the browser tells what it is."""

    async def look(profile: Profile) -> tuple[str, list[int]]:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=find_chromium(),
                args=[*CHROMIUM_ARGUMENTS, *sandbox_arguments(), f"--host-resolver-rules=MAP * 127.0.0.1:{town.port}"],
            )
            page = await (await browser.new_context(**browser_options(profile))).new_page()
            await page.goto("http://echoes-the-agent.test/", referer=profile.referer or None)
            shape: list[int] = await page.evaluate("[screen.width, navigator.maxTouchPoints]")
            text = await page.inner_text("body")
            await browser.close()
            return text, shape

    text, shape = asyncio.run(look(WECHAT))
    assert f"您的浏览器：{WECHAT.user_agent}" in text
    assert "直接访问" in text
    assert shape[0] == WECHAT.viewport.width
    assert shape[1] > 0
    text, shape = asyncio.run(look(SEARCH))
    assert f"您来自：{SEARCH.referer}" in text
    assert shape == [SEARCH.viewport.width, 0]
