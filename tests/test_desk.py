"""The desk as people meet it: a shift in a real Chromium, on real evidence, with captured content that runs nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from desks import Desk, log_in, press, served, staff
from homes import FETCHED, PAGES, WARC, Page, make_home
from playwright.sync_api import Browser, BrowserContext, expect

import review
from data.records import Bands, Certificate, Contrast, Hop, Identifier, Network, Side, State, User
from data.store import Store
from review import flow
from review.rules import Proposal

ROOM = Path(review.__file__).parent


# -- a shift -------------------------------------------------------------------------------------------------------------


def test_a_shift_by_keyboard_alone(chromium: Browser, desk: Desk) -> None:
    first, second = chromium.new_context(), chromium.new_context()
    tab = log_in(first, desk, "reviewer")
    expect(tab.locator("a.row").first).to_be_focused()
    press(tab, "j")
    expect(tab.locator("a.row").nth(1)).to_be_focused()
    press(tab, "k")
    press(tab, "Enter")
    expect(tab.get_by_role("heading", level=1)).to_contain_text("蓝鲸国际")

    # A whole case: claim, answer, reason, propose. The next case opens, where the claim has the focus.
    press(tab, "c")
    expect(tab.locator("[name=stance]").first).to_be_focused()
    assert tab.locator("[name=stance]:checked").count() == 0
    assert tab.locator("[name=indicator]:checked").count() == 7
    press(tab, "1", "p", "2", "s")
    expect(tab.locator(".done")).to_contain_text("提议移送")
    assert desk.state(1) is State.PROPOSED
    expect(tab.get_by_role("heading", level=1)).to_contain_text("闪付U商")
    expect(tab.locator("button[data-key=c]")).to_be_focused()

    # The next one is dismissed, taken back, and dismissed again.
    press(tab, "d", "3")
    expect(tab.locator(".done")).to_contain_text("排除")
    assert desk.state(2) is State.DISMISSED
    press(tab, "u")
    expect(tab.locator("#propose")).to_be_visible()
    assert desk.state(2) is State.CLAIMED
    press(tab, "d", "3")
    expect(tab.locator(".done")).to_contain_text("排除")

    # Somebody else approves.
    other = log_in(second, desk, "approver")
    press(other, "g", "3")
    other.wait_for_url("**/?tab=proposed")
    press(other, "Enter")
    expect(other.locator("button[data-key=a]")).to_be_focused()
    expect(other.locator(".proposal")).to_contain_text("以邀请码、返佣为交易平台导流")
    press(other, "a")
    expect(other.locator(".done")).to_contain_text("批准")
    with Store(desk.home) as store:
        assert store.case(1).state is State.APPROVED
        assert [decision.actor for decision in store.decisions(1)] == ["reviewer", "reviewer", "approver"]
        assert store.decisions(2)[-1].ground == "insufficient"
    first.close()
    second.close()


def test_the_keys_of_the_page_are_listed(visitor: BrowserContext, desk: Desk) -> None:
    tab = log_in(visitor, desk, "reviewer")
    tab.goto(f"{desk.url}/cases/1")
    press(tab, "?")
    listed = tab.locator("#keys-list")
    expect(listed).to_be_visible()
    for action in ("领取，由我审理", "证据不足", "原图", "模糊"):
        expect(listed).to_contain_text(action)
    press(tab, "Escape")
    press(tab, "b")
    assert tab.locator(".shot img").evaluate("image => getComputedStyle(image).filter") == "blur(14px)"


def test_without_javascript_a_case_is_decided_all_the_same(chromium: Browser, desk: Desk) -> None:
    plain = chromium.new_context(java_script_enabled=False)
    tab = log_in(plain, desk, "reviewer")
    tab.get_by_role("link", name="蓝鲸国际").click()
    tab.get_by_role("button", name="领取").click()
    tab.get_by_label("否，页面在经营或招揽").check()
    tab.get_by_role("textbox", name="理由").fill("首页即招揽跟单合约")
    tab.get_by_role("button", name="提议移送").click()
    assert desk.state(1) is State.PROPOSED
    tab.get_by_role("button", name="退出").click()
    plain.clear_cookies()
    tab = log_in(plain, desk, "second")
    tab.goto(f"{desk.url}/cases/1")
    tab.get_by_role("button", name="批准移送").click()
    assert desk.state(1) is State.APPROVED
    plain.close()


def test_what_was_typed_survives_a_refusal(visitor: BrowserContext, desk: Desk) -> None:
    tab = log_in(visitor, desk, "reviewer")
    tab.goto(f"{desk.url}/cases/1")
    press(tab, "c")
    tab.get_by_label("否，页面在经营或招揽").check()
    tab.get_by_role("textbox", name="行为日期").fill("2026-03-01")
    tab.get_by_role("textbox", name="理由").fill("我写了很久的理由")
    press(tab, "Control+Enter")
    refused = tab.get_by_role("alert")
    expect(refused).to_contain_text("银发〔2026〕42号")
    expect(refused).to_contain_text("data/facts/legal_bases.yml")
    expect(tab.get_by_role("textbox", name="理由")).to_have_value("我写了很久的理由")
    expect(tab.get_by_label("否，页面在经营或招揽")).to_be_checked()
    assert desk.state(1) is State.CLAIMED


def test_a_case_of_today_says_which_law_is_missing(tmp_path: Path, visitor: BrowserContext) -> None:
    make_home(tmp_path, (replace(PAGES[0], fetched_at=datetime(2026, 5, 1, tzinfo=UTC)),))
    staff(tmp_path)
    with served(tmp_path) as desk:
        tab = log_in(visitor, desk, "reviewer")
        tab.goto(f"{desk.url}/cases/1")
        press(tab, "c")
        expect(tab.locator("#propose [role=note]")).to_contain_text("系统没有它的条款正文")
        expect(tab.get_by_role("textbox", name="行为日期")).to_have_value("2026-05-01")
        visitor.close()


# -- the case page -------------------------------------------------------------------------------------------------------


def test_the_case_page_fits_one_screen_and_shows_the_evidence(visitor: BrowserContext, desk: Desk) -> None:
    tab = log_in(visitor, desk, "reviewer")
    tab.goto(f"{desk.url}/cases/1")
    assert tab.evaluate("document.documentElement.scrollHeight <= 768 && document.documentElement.scrollWidth <= 1366")
    assert tab.locator(".shot img").evaluate("image => image.complete && image.naturalWidth") == 960
    assert tab.locator("#text mark.for").first.inner_text().startswith("新人注册领")
    expect(tab.locator("#text mark.against")).to_have_text("风险提示")
    facts = tab.locator(".scroll.facts")
    for fact in (
        "京ICP备2021000001号-1",
        "203.0.113.9",
        "2025-06-01 10:00:00",
        WARC,
        "SM3",
        "https://lanjing-ex.test/",
    ):
        expect(facts).to_contain_text(fact.removeprefix("https://lanjing-ex.test/") or "301")
    tab.goto(f"{desk.url}/cases/2")
    tab.get_by_role("link", name="about").click()
    expect(tab.locator("#text")).to_contain_text("承兑团队")


def test_what_other_visitors_were_shown_stands_beside_the_facts(visitor: BrowserContext, desk: Desk) -> None:
    with Store(desk.home) as store:
        (page, _), *_ = store.hit(store.case(1).target.key).evidence
        shop = replace(page, id="shop", profile="wechat", text="老街口的茶铺，八点半开门。", screenshot=None)
        store.save_capture(shop, ())
        sides = (Side("desktop", page.final_url, 200, page.id), Side("wechat", page.url, 200, "shop"))
        told = Contrast(page.run_id, page.url, FETCHED, "user_agent:wechat", ("由用户代理（微信）决定。",), sides)
        store.save_contrast(told)
    tab = log_in(visitor, desk, "reviewer")
    tab.goto(f"{desk.url}/cases/1")
    shown = tab.locator(".visitors")
    expect(shown).to_contain_text("由用户代理（微信）决定。")
    expect(shown.get_by_text("老街口的茶铺")).not_to_be_visible()
    shown.locator("summary", has_text="微信内").click()
    expect(shown.get_by_text("老街口的茶铺")).to_be_visible()


def test_altered_evidence_is_said_before_anybody_decides(visitor: BrowserContext, desk: Desk) -> None:
    with Store(desk.home) as store:
        piece = store.capture("run-1-0").screenshot
    assert piece is not None
    archive = bytearray((desk.home / WARC).read_bytes())
    archive[piece.offset + piece.length // 2] ^= 1
    (desk.home / WARC).write_bytes(archive)
    tab = log_in(visitor, desk, "reviewer")
    tab.goto(f"{desk.url}/cases/1")
    expect(tab.get_by_role("alert")).to_contain_text("与采集时不一致")
    assert desk.ask("GET", "/captures/run-1-0/screenshot", desk.session("reviewer"))[0] == 404


HOSTILE = """<script>window.caught=1</script>"'><img src=x onerror="window.caught=2">{{7*7}}{%x%}%(a)s{a}\u202e\x00</mark></title>"""


def test_captured_content_runs_nothing(tmp_path: Path, visitor: BrowserContext) -> None:
    page = Page(
        url=f"https://evil.test/{HOSTILE}",
        title=HOSTILE,
        text=f"前文{HOSTILE}后文",
        score=0.9,
        indicators={"referral": 0.9, "fiat_exchange": 0.8, HOSTILE: 0.7},
        marks=(("referral", HOSTILE), (HOSTILE, HOSTILE[:20]), ("marketing", HOSTILE[5:])),
        counter=((HOSTILE, "后文"),),
        genre=HOSTILE,
        identity=HOSTILE,
        facts={HOSTILE: HOSTILE, "filing": HOSTILE},
        identifiers=(Identifier(HOSTILE, HOSTILE),),
        headers=((HOSTILE, HOSTILE),),
        hops=(Hop(HOSTILE, 302, HOSTILE),),
    )
    make_home(tmp_path, (replace(page, title="x", text=page.text),))
    with Store(tmp_path) as store:
        old = store.capture("run-1-0")
        hostile = replace(
            old,
            id="hostile",
            title=HOSTILE,
            dns=(HOSTILE,),
            address=HOSTILE,
            tls={HOSTILE: HOSTILE},
            network=Network(
                HOSTILE, 443, (Certificate(HOSTILE, HOSTILE, HOSTILE, HOSTILE, names=(HOSTILE,)),), HOSTILE
            ),
            render=HOSTILE,
            fetcher=HOSTILE,
            profile=HOSTILE,
            final_url=HOSTILE,
            fetched_at=old.fetched_at + timedelta(hours=1),
        )
        store.save_capture(hostile, [replace(page.target, title=HOSTILE)])
        sides = (
            Side("desktop", HOSTILE, 200, "hostile"),
            Side("phone", HOSTILE, 0, ""),
            Side(HOSTILE, "", 200, "hostile"),
        )
        store.save_contrast(Contrast("run-1", hostile.url, FETCHED, HOSTILE, (HOSTILE,), sides))
        score = store.score("run-1-0")
        assert score is not None
        store.save_scores([replace(score, capture_id="hostile", note=HOSTILE, model=HOSTILE)])
        flow.fill(store, Bands(0.5, 0.5, 0.0))
        user = User("mallory", HOSTILE[:40], "reviewer", "")
        store.save_user(user)
        flow.claim(store, 1, user)
        seen = store.hit(store.case(1).target.key).digest
        flow.propose(store, 1, user, Proposal(("referral",), "237", "（十）", "2025-06-01", "offer", HOSTILE, seen))
    staff(tmp_path)
    with served(tmp_path) as desk:
        said: list[str] = []
        visitor.on("console", lambda message: said.append(message.text))
        visitor.on("dialog", lambda dialog: said.append(dialog.message))
        tab = log_in(visitor, desk, "second")
        for path in ("/?tab=proposed", "/cases/1"):
            tab.goto(f"{desk.url}{path}")
            expect(tab.locator("main")).to_contain_text("<script>window.caught=1</script>")
            assert tab.evaluate("window.caught") is None
            assert tab.locator("script").count() == 1
            assert tab.locator("img:not([src^='/static/']):not([src^='/captures/'])").count() == 0
            assert "\u202e" not in tab.content()
        press(tab, "?")
        expect(tab.locator("#keys-list")).to_be_visible()
        assert tab.evaluate("window.caught") is None
        assert said == []
        visitor.close()


# -- words ---------------------------------------------------------------------------------------------------------------


def test_english_is_a_click_away_and_demonstrations_are_labelled(visitor: BrowserContext, desk: Desk) -> None:
    tab = log_in(visitor, desk, "demo")
    expect(tab.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(tab.locator("header")).to_contain_text("演示账号")
    tab.goto(f"{desk.url}/cases/1")
    press(tab, "c")
    tab.get_by_role("link", name="English").click()
    expect(tab.locator("html")).to_have_attribute("lang", "en")
    assert tab.url == f"{desk.url}/cases/1"
    expect(tab.locator("header")).to_contain_text("Demonstration account")
    expect(tab.locator(".history")).to_contain_text("Demonstration account")
    outside = tab.evaluate(
        """() => { const page = document.body.cloneNode(true);
            page.querySelectorAll('[lang|=zh], .scroll.facts, h1, .who, .history, select, h2 .quiet').forEach(e => e.remove());
            return page.textContent }"""
    )
    assert set(re.findall(r"[\u4e00-\u9fff]+", outside)) <= {"二", "三", "十"}


def test_every_sentence_has_its_english() -> None:
    keywords = dict.fromkeys(
        ("_", "N_", "NotAllowed", "RuleBroken", "EvidenceChanged", "LogInRefused", "NotFound"), None
    ) | {"_role": (4,)}
    methods = [("**.py", "python"), ("templates/**.html", "jinja2")]
    used = {found[2] for found in extract_from_dir(ROOM, methods, keywords=keywords)}
    with (ROOM / "locale/en/LC_MESSAGES/messages.po").open("rb") as lines:
        catalogue = {message.id: message.string for message in read_po(lines, locale="en") if message.id}
    assert used == set(catalogue)
    gap = r"%\(\w+\)s|\{\w+\}"
    for source, english in catalogue.items():
        assert english
        assert set(re.findall(gap, source)) == set(re.findall(gap, english))
