"""Who gets into the desk, and what a request from elsewhere can do there: nothing."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from desks import PASSWORD, Desk, log_in, served, staff
from homes import FETCHED, make_home
from playwright.sync_api import BrowserContext, expect

from data.records import State
from data.store import Store
from review import accounts
from review.desk import DOORS
from review.refusal import LogInRefused, RuleBroken
from review.rights import ROLES
from review.visit import form_token


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


@pytest.mark.parametrize("secure", [False, True])
def test_the_cookie_is_out_of_reach(tmp_path: Path, secure: bool) -> None:
    make_home(tmp_path)
    staff(tmp_path)
    with served(tmp_path, secure) as desk:
        form = {"name": "reviewer", "password": PASSWORD, "next": "/"}
        _, headers, _ = desk.ask("POST", "/login", "", form, Origin=desk.url)
    name, *rules = headers["set-cookie"].split("; ")
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(rules)
    assert ("Secure" in rules, name.startswith("__Host-session=")) == (secure, secure)


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
