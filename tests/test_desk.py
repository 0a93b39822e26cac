"""The desk as people meet it: a real server, a real Chromium, real evidence, and nobody let in by the wrong door."""

from __future__ import annotations

import hashlib
import re
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
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from homes import FETCHED, PAGES, WARC, Page, make_home
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright
from playwright.sync_api import Page as Tab

import review
from data.records import Hop, Identifier, State, User
from data.store import Store
from review import accounts, flow
from review.desk import DOORS, create_app
from review.refusal import LogInRefused, RuleBroken
from review.rights import ROLES
from review.rules import Proposal
from review.visit import form_token

PASSWORD = "correct-horse-battery"  # noqa: S105 - opens nothing but the homes of these tests
ROOM = Path(review.__file__).parent
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
def served(home: Path, threshold: float = 0.5) -> Iterator[Desk]:
    """The desk over a home, on a free port of loopback."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(home, threshold), log_level="warning"))
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
    """Presses the keys once the page listens to them (its script shows the button that lists them)."""
    expect(tab.locator("#help")).to_be_visible()
    for key in keys:
        tab.keyboard.press(key)


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
            render=HOSTILE,
            fetcher=HOSTILE,
            profile=HOSTILE,
            final_url=HOSTILE,
            fetched_at=old.fetched_at + timedelta(hours=1),
        )
        store.save_capture(hostile, [replace(page.target, title=HOSTILE)])
        score = store.score("run-1-0")
        assert score is not None
        store.save_scores([replace(score, capture_id="hostile", note=HOSTILE, model=HOSTILE)])
        flow.fill(store, 0.5)
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


# -- the door ------------------------------------------------------------------------------------------------------------


def test_every_door_lets_in_exactly_who_may(desk: Desk) -> None:
    for door in DOORS:
        path = re.sub(r"\{\w+:int\}", "1", door.path).replace("{capture}", "run-1-0").replace("{language}", "en")
        path = path.replace("{name}", "nobody")
        for role in ROLES:
            token = desk.session(role)
            status, _, text = desk.post(path, token) if door.method == "POST" else desk.ask("GET", path, token)
            allowed = door.right is None or door.right in ROLES[role].may
            assert (status == 403) is not allowed, f"{door.method} {path} as {role}: {status} {text[-300:]}"
            assert status < 500
        if door.right is not None:
            status, headers, _ = desk.ask(door.method, path, Sec_Fetch_Site="same-origin")
            assert status == 403 or headers["location"].startswith("/login")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
    ],
)
def test_a_form_from_elsewhere_does_nothing(desk: Desk, headers: dict[str, str]) -> None:
    token = desk.session("reviewer")
    status, _, text = desk.ask("POST", "/cases/1/claim", token, {"csrf": form_token(token)}, **headers)
    assert status == 403
    assert "不是从本系统的页面发出" in text
    assert desk.state(1) is State.OPEN


@pytest.mark.parametrize("csrf", ["", "é", form_token("somebody else's")])
def test_a_form_without_the_sessions_token_does_nothing(desk: Desk, csrf: str) -> None:
    assert desk.post("/cases/1/claim", desk.session("reviewer"), csrf=csrf)[0] == 403
    assert desk.state(1) is State.OPEN


def test_every_answer_is_shielded(desk: Desk) -> None:
    token = desk.session("reviewer")
    for path in (
        "/login",
        "/",
        "/cases/1",
        "/nowhere",
        "/cases/999",
        "/static/desk.css",
        "/captures/run-1-0/screenshot",
    ):
        _, headers, _ = desk.ask("GET", path, token)
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
    _, headers, _ = desk.ask("GET", "/captures/run-1-0/screenshot", token)
    assert (headers["content-type"], headers["content-security-policy"]) == (
        "image/png",
        "default-src 'none'; sandbox",
    )


def test_what_is_not_there_is_a_page_with_a_sentence(desk: Desk) -> None:
    token = desk.session("reviewer")
    for path in ("/cases/999", "/cases/99999999999999999999999", "/nowhere", "/captures/nothing/screenshot"):
        status, _, text = desk.ask("GET", path, token)
        assert status == 404
        assert "Traceback" not in text
        assert "。" in text
    assert desk.ask("GET", "/cases/1/claim", token)[0] == 405
    assert desk.post("/cases/1/claim", token, reason="x" * 70_000)[0] == 413


def test_a_log_in_leads_nowhere_else(desk: Desk) -> None:
    for back in ("//evil.test", "https://evil.test", "/\\evil.test", "/%0d%0aX: y", "javascript:alert(1)"):
        _, _, text = desk.ask("GET", f"/login?{urlencode({'next': back})}")
        assert 'name="next" value="/"' in text
        _, headers, _ = desk.ask("GET", f"/language/en?{urlencode({'back': back})}")
        assert headers["location"] == "/"


def test_a_session_ends_where_it_is_ended(desk: Desk) -> None:
    token = desk.session("reviewer")
    assert desk.ask("GET", "/", token)[0] == 200
    status, _, _ = desk.post("/logout", token)
    assert status == 303
    assert desk.ask("GET", "/", token)[1]["location"] == "/login?next=/"
    other = desk.session("reviewer")
    with Store(desk.home) as store:
        accounts.change(store, "reviewer", active=False)
        assert accounts.who(store, other) is None
        accounts.change(store, "reviewer", active=True)
        assert accounts.who(store, other) is None


def test_the_cookie_is_out_of_reach(tmp_path: Path) -> None:
    make_home(tmp_path)
    staff(tmp_path)
    with served(tmp_path) as desk:
        form = {"name": "reviewer", "password": PASSWORD, "next": "/"}
        _, headers, _ = desk.ask("POST", "/login", "", form, Origin=desk.url)
        assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(headers["set-cookie"].split("; "))
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(tmp_path, 0.5, secure=True), log_level="warning"))
    thread = Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    secure = Desk(f"http://127.0.0.1:{listener.getsockname()[1]}", tmp_path)
    _, headers, _ = secure.ask("POST", "/login", "", form, Origin=secure.url)
    server.should_exit = True
    thread.join()
    listener.close()
    assert headers["set-cookie"].startswith("__Host-session=")
    assert {"Secure", "HttpOnly", "Path=/"} <= set(headers["set-cookie"].split("; "))


def test_failures_make_a_name_wait_and_wait_longer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def attempt(password: str) -> int:
        return desk.ask("POST", "/login", "", {"name": "reviewer", "password": password}, Origin=desk.url)[0]

    assert [attempt("wrong-password") for _ in range(5)] == [401] * 5
    assert attempt(PASSWORD) == 401
    with Store(desk.home) as store:
        with pytest.raises(LogInRefused, match="秒后再试"):
            accounts.log_in(store, "reviewer", PASSWORD)
        first = accounts.waits_until(store, "reviewer") - store.failures("reviewer", FETCHED)[-1]
        store.note_failure("reviewer")
        second = accounts.waits_until(store, "reviewer") - store.failures("reviewer", FETCHED)[-1]
        assert (first, second) == (timedelta(minutes=1), timedelta(minutes=2))
        later = datetime.now(UTC) + timedelta(minutes=3)
        monkeypatch.setattr(accounts, "now", lambda: later)
        assert accounts.who(store, accounts.log_in(store, "reviewer", PASSWORD))
        assert store.failures("reviewer", FETCHED) == []


def test_a_name_nobody_has_is_refused_in_the_same_words(desk: Desk) -> None:
    texts = {
        desk.ask("POST", "/login", "", {"name": name, "password": "wrong-password"}, Origin=desk.url)[2].replace(
            name, ""
        )
        for name in ("reviewer", "nobody-at-all")
    }
    assert len(texts) == 1


def test_accounts_are_made_and_changed_by_their_rules(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        accounts.create(store, "root", "管理员", "admin", PASSWORD)
        for wrong in (
            ("system", "系统", "admin", PASSWORD),
            ("Li Ming", "李明", "reviewer", PASSWORD),
            ("root", "再来", "admin", PASSWORD),
            ("li", "", "reviewer", PASSWORD),
            ("li", "李明", "emperor", PASSWORD),
            ("li", "李明", "reviewer", "short"),
        ):
            with pytest.raises(RuleBroken):
                accounts.create(store, *wrong)
        with pytest.raises(RuleBroken, match="最后一位管理员"):
            accounts.change(store, "root", role="auditor")
        assert [user.name for user in store.users()] == ["root"]
        assert "argon2id" in store.users()[0].password_hash


def test_an_administrator_works_on_accounts_alone(visitor: BrowserContext, desk: Desk) -> None:
    tab = log_in(visitor, desk, "admin")
    assert tab.url == f"{desk.url}/accounts"
    tab.get_by_label("账号").last.fill("newcomer")
    tab.locator("form.line [name=display]").fill("新人")
    tab.locator("form.line [name=password]").fill("too-short")
    tab.locator("form.line [name=password]").evaluate("field => field.removeAttribute('minlength')")
    tab.get_by_role("button", name="开设").click()
    expect(tab.get_by_role("alert")).to_contain_text("至少要有 10 个字符")
    tab.locator("form.line [name=name]").fill("newcomer")
    tab.locator("form.line [name=display]").fill("新人")
    tab.locator("form.line [name=password]").fill(PASSWORD)
    tab.get_by_role("button", name="开设").click()
    expect(tab.get_by_role("cell", name="newcomer")).to_be_visible()


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
