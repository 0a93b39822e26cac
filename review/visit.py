"""One request to the desk: who asks, whether they may, and what they are told when it goes wrong."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from data.records import Bands, User
from data.store import Store, StoreError
from review import accounts
from review.pages import language, page
from review.refusal import LogInRefused, NotAllowed, NotFound, Refusal
from review.rights import Right, require
from review.words import Words


@dataclass(frozen=True, slots=True)
class Desk:
    """What the application was started with."""

    home: Path
    bands: Bands
    secure: bool

    @property
    def cookie(self) -> str:
        """Behind TLS the prefix makes the browser refuse the cookie from any other host or path."""
        return "__Host-session" if self.secure else "session"


@dataclass(frozen=True, slots=True)
class Visit:
    """A request with its store (open as long as the handler runs), its person and its language."""

    desk: Desk
    request: Request
    store: Store
    form: FormData
    token: str
    user: User | None
    words: Words

    @property
    def person(self) -> User:
        """Who is logged in, behind a door that only lets such people through."""
        assert self.user is not None
        return self.user

    def field(self, name: str) -> str:
        """A text field of the form, or an empty string."""
        value = self.form.get(name)
        return value if isinstance(value, str) else ""

    def fields(self, name: str) -> tuple[str, ...]:
        """Every value of a repeated text field."""
        return tuple(value for value in self.form.getlist(name) if isinstance(value, str))

    def show(self, template: str, status: int = 200, **values: Any) -> Response:
        """A page of the desk."""
        return page(self.request, self.words, template, status, user=self.user, csrf=form_token(self.token), **values)


Handler = Callable[[Visit], Response]


@dataclass(frozen=True, slots=True)
class Door:
    """A route: method and path, who may use it (``None``: anybody), and what it does."""

    method: str
    path: str
    right: Right | None
    handler: Handler

    def route(self, desk: Desk) -> Route:
        """The door as Starlette's route. The handler runs in a thread, with a store of its own."""

        async def endpoint(request: Request) -> Response:
            form = await request.form() if self.method == "POST" else FormData()
            return await run_in_threadpool(self._answer, desk, request, form)

        return Route(self.path, endpoint, methods=[self.method])

    def _answer(self, desk: Desk, request: Request, form: FormData) -> Response:
        speech = language(request)
        token = request.cookies.get(desk.cookie, "")
        try:
            with Store(desk.home) as store:
                visit = Visit(desk, request, store, form, token, accounts.who(store, token), speech)
                try:
                    return self._admit(visit)
                except Refusal as refusal:
                    return visit.show("error.html", status_of(refusal), sentence=speech.tell(refusal))
        except StoreError as error:
            return page(request, speech, "error.html", 503, sentence=str(error))

    def _admit(self, visit: Visit) -> Response:
        if self.method == "POST" and not _from_the_desk(visit, with_token=self.right is not None):
            raise NotAllowed("这次提交不是从本系统的页面发出的，没有执行。请回到页面重新操作。")
        if self.right is not None and visit.user is None:
            back = visit.request.url.path if self.method == "GET" else "/"
            return RedirectResponse(f"/login?next={quote(back)}", 303)
        if self.right is not None:
            require(visit.person, self.right)
        return self.handler(visit)


def status_of(refusal: Refusal) -> int:
    """The HTTP status that says what kind of refusal it is."""
    statuses = {NotAllowed: 403, NotFound: 404, LogInRefused: 401}
    return statuses.get(type(refusal), 422)


def _from_the_desk(visit: Visit, with_token: bool) -> bool:
    """Whether a page of this desk sent the form: by the browser's own word, and by the session's token in the form.

    ``Sec-Fetch-Site`` is not sent to plain HTTP hosts; every browser sends ``Origin`` with a form.
    """
    headers = visit.request.headers
    site = headers.get("sec-fetch-site")
    same = site == "same-origin" if site else urlsplit(headers.get("origin", "")).netloc == headers.get("host")
    return same and (
        not with_token or hmac.compare_digest(visit.field("csrf").encode(), form_token(visit.token).encode())
    )


def form_token(token: str) -> str:
    """The form token of a session: derived from it, so that it needs no storing and gives nothing away."""
    return hmac.new(token.encode(), b"form", hashlib.sha256).hexdigest()
