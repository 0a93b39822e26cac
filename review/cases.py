"""The handlers of the queue and the case page: what is shown, and the moves people make there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import RedirectResponse, Response

from data.archive import EvidenceError, read_piece
from data.facts import legal_bases, taxonomy
from data.records import Case
from data.store import StaleCase, StoreError
from review import flow
from review.case_page import CasePage, case_page
from review.queue import TABS, next_case, queue
from review.refusal import NotFound, Refusal, RuleBroken
from review.rights import Right, may
from review.rules import Proposal, check_law
from review.visit import Handler, Visit, status_of
from review.words import N_

SUBJECT = "（十）"  # the item this system implements: the clause a proposal starts from
OVERTAKEN = N_("这个案件刚刚被别人处理过，您的操作没有执行。请看过现状再作决定。")

# A reason is part of the record, which is Chinese; only the labels beside the keys are translated.
PHRASES = (
    N_("招揽境内居民参与虚拟货币交易"),
    N_("以邀请码、返佣为交易平台导流"),
    N_("提供虚拟货币与人民币兑换"),
    N_("提供交易应用的下载与安装"),
)


def show_queue(visit: Visit) -> Response:
    tab = visit.request.query_params.get("tab", "")
    number = visit.request.query_params.get("page", "1")
    shown = queue(visit.store, visit.person, tab, int(number) if number.isdecimal() and len(number) < 6 else 1)
    return visit.show(
        "queue.html",
        queue=shown,
        tabs=TABS,
        names={user.name: user.display for user in visit.store.users()},
        done=_done(visit),
        may_fill=may(visit.person, Right.REVIEW),
    )


def show_case(visit: Visit) -> Response:
    return _case_page(visit, 200, "", None)


def screenshot(visit: Visit) -> Response:
    capture_id = visit.request.path_params["capture"]
    try:
        piece = visit.store.capture(capture_id).screenshot
        if piece is None:
            raise NotFound("这次采集没有截图。")
        content = read_piece(visit.store.home, piece)
    except (StoreError, EvidenceError) as error:
        raise NotFound("这张截图读不出来：存档缺失或已被改动。请勿据此作决定，并告知管理员。") from error
    return Response(content, media_type="image/png", headers={"Content-Security-Policy": "default-src 'none'; sandbox"})


def _case(visit: Visit) -> Case:
    number: int = visit.request.path_params["case"]
    try:
        return visit.store.case(number)
    except (StoreError, OverflowError) as error:
        raise NotFound("没有第 {case} 号案件。请从队列重新进入。", case=number) from error


def _case_page(visit: Visit, status: int, refused: str, draft: Proposal | None) -> Response:
    case_id = _case(visit).id
    shown = case_page(visit.store, case_id, visit.person, visit.words, visit.request.query_params.get("capture", ""))
    draft = draft or _first_draft(shown)
    try:
        check_law(draft.basis, draft.clause, draft.conduct_on)
        law = ""
    except RuleBroken as broken:
        law = visit.words.tell(broken)
    return visit.show(
        "case.html",
        status,
        here=f"/cases/{case_id}",
        shown=shown,
        draft=draft,
        law=law,
        refused=refused,
        done=_done(visit),
        taxonomy=taxonomy(),
        bases=legal_bases(),
        phrases=PHRASES,
        may_review=may(visit.person, Right.REVIEW),
        may_approve=may(visit.person, Right.APPROVE),
    )


def _first_draft(shown: CasePage) -> Proposal:
    """What the form starts from: the model's suggestion and the law as of the newest capture. The stance is open."""
    basis = shown.basis
    subject = basis.clause(SUBJECT) if basis else None
    return Proposal(
        shown.suggested,
        basis.id if basis else "",
        subject.id if subject else "",
        shown.conduct_on,
        "",
        "",
        shown.digest,
    )


@dataclass(frozen=True, slots=True)
class Done:
    """The decision just made, told on the page that follows, where it can be undone."""

    case: Case
    verdict: str
    undoable: bool


def _done(visit: Visit) -> Done | None:
    number = visit.request.query_params.get("done", "")
    if not number.isdecimal() or len(number) > 12:
        return None
    decisions = visit.store.decisions(int(number))
    if not decisions or decisions[-1].actor != visit.person.name:
        return None
    verdict = visit.words.verdict(decisions[-1].verdict)
    return Done(visit.store.case(int(number)), verdict, flow.may_undo(decisions, visit.person))


def decision(move: Callable[[Visit, int], Case], stays: bool = False) -> Handler:
    """A handler that makes one move of the flow, then opens the case again (``stays``) or the next one.

    A move that is refused shows the case with the reason and whatever the person had filled in.
    """

    def handler(visit: Visit) -> Response:
        left = _case(visit)
        draft = proposal(visit) if "law" in visit.form else None
        try:
            move(visit, left.id)
        except Refusal as refusal:
            return _case_page(visit, status_of(refusal), visit.words.tell(refusal), draft)
        except StaleCase:
            return _case_page(visit, 409, visit.words.say(OVERTAKEN), draft)
        if stays:
            return RedirectResponse(f"/cases/{left.id}", 303)
        following = next_case(visit.store, visit.person, left)
        return RedirectResponse(f"/cases/{following.id}?done={left.id}" if following else f"/?done={left.id}", 303)

    return handler


def proposal(visit: Visit) -> Proposal:
    basis, _, clause = visit.field("law").partition("|")
    reason = "；".join(part for part in (visit.field("phrase"), visit.field("reason").strip()) if part)
    return Proposal(
        visit.fields("indicator"),
        basis,
        clause,
        visit.field("conduct_on"),
        visit.field("stance"),
        reason,
        visit.field("seen"),
    )


def fill(visit: Visit) -> Response:
    flow.fill(visit.store, visit.desk.bands)
    return RedirectResponse("/", 303)
