"""Coming in and going out, and the choice of language."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from review import accounts
from review.pages import inner
from review.refusal import LogInRefused
from review.rights import Right, may
from review.visit import Visit
from review.words import LANGUAGES


def log_in_page(visit: Visit) -> Response:
    return visit.show("login.html", next=inner(visit.request.query_params.get("next", "/")), name="", refused="")


def log_in(visit: Visit) -> Response:
    name, back = visit.field("name"), inner(visit.field("next"))
    try:
        token = accounts.log_in(visit.store, name, visit.field("password"))
    except LogInRefused as refusal:
        return visit.show("login.html", 401, next=back, name=name, refused=visit.words.tell(refusal))
    user = accounts.who(visit.store, token)
    response = RedirectResponse(back if user and may(user, Right.READ) else "/accounts", 303)
    response.set_cookie(
        visit.desk.cookie,
        token,
        max_age=int(accounts.SESSION_LASTS.total_seconds()),
        secure=visit.desk.secure,
        httponly=True,
        samesite="lax",
    )
    return response


def log_out(visit: Visit) -> Response:
    accounts.log_out(visit.store, visit.token)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(visit.desk.cookie, secure=visit.desk.secure, httponly=True, samesite="lax")
    return response


def choose_language(visit: Visit) -> Response:
    response = RedirectResponse(inner(visit.request.query_params.get("back", "/")), 303)
    chosen = visit.request.path_params["language"]
    if chosen in LANGUAGES:
        response.set_cookie(
            "language", chosen, max_age=31_536_000, secure=visit.desk.secure, httponly=True, samesite="lax"
        )
    return response
