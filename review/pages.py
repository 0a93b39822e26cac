"""Pages: templates in the reader's language, and the headers that keep hostile content harmless."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from review.rights import ROLES, may
from review.words import LANGUAGES, Words, unseen_as_numbers, words

TEMPLATES = Path(__file__).parent / "templates"

# Nothing from outside, nothing inline, nobody may frame the desk. The referrer stays on the desk, but is sent there:
# without it a browser would write "null" as the origin of our own forms.
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


class Shield:
    """Gives every response the headers above, unless it brought stricter ones of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def shielded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, shielded)


@cache
def _environment(language: str) -> Environment:
    speech = words(language)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_translations(speech.translations, newstyle=True)  # type: ignore[attr-defined]
    environment.filters["plain"] = unseen_as_numbers
    environment.globals.update(words=speech, may=may, roles=ROLES)
    return environment


def language(request: Request) -> Words:
    """The words of the language the reader chose; Chinese until they choose."""
    return words(request.cookies.get("language", LANGUAGES[0]))


def inner(path: str) -> str:
    """The path when it leads to a page of the desk, else the desk's first page: no link may lead elsewhere."""
    return path if re.fullmatch(r"/(?!/)[\w/?=&.-]*", path, re.ASCII) else "/"


def page(
    request: Request,
    speech: Words,
    template: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: object,
) -> HTMLResponse:
    """A rendered template. ``here`` is where a change of language leads back to; ``user`` and ``csrf`` may be absent."""
    path = request.url.path if request.method == "GET" else "/"
    context = {"here": path, "user": None, "csrf": "", **values}
    return HTMLResponse(_environment(speech.language).get_template(template).render(context), status, headers)
