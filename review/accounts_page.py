"""The administrator's page: who has an account, with which role."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from review import accounts
from review.refusal import RuleBroken
from review.rights import ROLES
from review.visit import Visit


def show_accounts(visit: Visit) -> Response:
    return _accounts_page(visit, 200, "")


def add_account(visit: Visit) -> Response:
    try:
        accounts.create(
            visit.store, visit.field("name"), visit.field("display"), visit.field("role"), visit.field("password")
        )
    except RuleBroken as refusal:
        return _accounts_page(visit, 422, visit.words.tell(refusal))
    return RedirectResponse("/accounts", 303)


def change_account(visit: Visit) -> Response:
    try:
        accounts.change(
            visit.store,
            visit.request.path_params["name"],
            display=visit.field("display"),
            role=visit.field("role"),
            password=visit.field("password") or None,
            active=bool(visit.field("active")),
        )
    except RuleBroken as refusal:
        return _accounts_page(visit, 422, visit.words.tell(refusal))
    return RedirectResponse("/accounts", 303)


def _accounts_page(visit: Visit, status: int, refused: str) -> Response:
    return visit.show(
        "accounts.html", status, here="/accounts", accounts=visit.store.users(), roles=ROLES, refused=refused
    )
