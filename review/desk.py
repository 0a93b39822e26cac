"""The review desk as a Starlette application: every page, and who may use it."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from data.records import Bands
from data.store import Store
from review import flow
from review.accounts_page import add_account, change_account, show_accounts
from review.cases import decision, fill, proposal, screenshot, show_case, show_queue
from review.entrance import choose_language, log_in, log_in_page, log_out
from review.pages import HEADERS, Shield, language, page
from review.rights import Right
from review.visit import Desk, Door
from review.words import N_

MAX_FORM = 64 * 1024


def create_app(home: Path, bands: Bands, secure: bool = False) -> Starlette:
    """The desk over the records in ``home``. The hits in ``bands`` are in its queue when it starts.

    ``secure`` is for a desk behind TLS: cookies then never travel without it. Raises ``data.store.CorruptStore`` or
    ``StoreError`` when the database cannot be used.
    """
    desk = Desk(home, bands, secure)
    with Store(home) as store:
        flow.fill(store, bands)
    static = Mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    return Starlette(
        routes=[*(door.route(desk) for door in DOORS), static],
        middleware=[Middleware(Shield)],
        exception_handlers={HTTPException: _turned_away, Exception: _broken},
        max_body_size=MAX_FORM,
    )


# -- every door, and who may use it --------------------------------------------------------------------------------------

DOORS = (
    Door("GET", "/login", None, log_in_page),
    Door("POST", "/login", None, log_in),
    Door("POST", "/logout", Right.ENTER, log_out),
    Door("GET", "/language/{language}", None, choose_language),
    Door("GET", "/", Right.READ, show_queue),
    Door("GET", "/cases/{case:int}", Right.READ, show_case),
    Door("GET", "/captures/{capture}/screenshot", Right.READ, screenshot),
    Door("POST", "/fill", Right.REVIEW, fill),
    Door(
        "POST",
        "/cases/{case:int}/claim",
        Right.REVIEW,
        decision(lambda visit, case: flow.claim(visit.store, case, visit.person), stays=True),
    ),
    Door(
        "POST",
        "/cases/{case:int}/release",
        Right.REVIEW,
        decision(lambda visit, case: flow.release(visit.store, case, visit.person)),
    ),
    Door(
        "POST",
        "/cases/{case:int}/propose",
        Right.REVIEW,
        decision(lambda visit, case: flow.propose(visit.store, case, visit.person, proposal(visit))),
    ),
    Door(
        "POST",
        "/cases/{case:int}/approve",
        Right.APPROVE,
        decision(lambda visit, case: flow.approve(visit.store, case, visit.person, visit.field("seen"))),
    ),
    Door(
        "POST",
        "/cases/{case:int}/reject",
        Right.APPROVE,
        decision(lambda visit, case: flow.reject(visit.store, case, visit.person, visit.field("reason"))),
    ),
    Door(
        "POST",
        "/cases/{case:int}/dismiss",
        Right.REVIEW,
        decision(
            lambda visit, case: flow.dismiss(
                visit.store, case, visit.person, visit.field("ground"), visit.field("seen"), visit.field("note")
            )
        ),
    ),
    Door(
        "POST",
        "/cases/{case:int}/undo",
        Right.REVIEW,
        decision(lambda visit, case: flow.undo(visit.store, case, visit.person), stays=True),
    ),
    Door("GET", "/accounts", Right.ACCOUNTS, show_accounts),
    Door("POST", "/accounts", Right.ACCOUNTS, add_account),
    Door("POST", "/accounts/{name}", Right.ACCOUNTS, change_account),
)

# -- when no door fits ---------------------------------------------------------------------------------------------------

SENTENCES = {
    404: N_("没有这个页面。请从队列重新进入。"),
    405: N_("这个地址不接受这样的请求。请从队列重新进入。"),
    413: N_("提交的内容太长。请缩短后再试。"),
}


def _turned_away(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    speech = language(request)
    sentence = SENTENCES.get(error.status_code, N_("系统看不懂这个请求。请从队列重新进入。"))
    return page(request, speech, "error.html", error.status_code, error.headers, sentence=speech.say(sentence))


def _broken(request: Request, _: Exception) -> Response:
    """The last resort; Starlette raises the error again for the log. Its answer passes no middleware."""
    speech = language(request)
    sentence = speech.say(N_("系统内部出错，操作没有完成，已记入日志。请重试；仍不行请告知管理员。"))
    return page(request, speech, "error.html", 500, HEADERS, sentence=sentence)
