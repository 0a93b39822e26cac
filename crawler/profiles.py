"""As whom a page is asked for: what a profile (``data/facts/profiles.yml``) means to the downloader and to the browser."""

from __future__ import annotations

from typing import Any

from data.facts import Profile


def request_headers(profile: Profile) -> dict[str, str]:
    """What the downloader sends for a page in place of its own headers of the same names."""
    headers = {"User-Agent": profile.user_agent, **profile.headers}
    return headers | {"Referer": profile.referer} if profile.referer else headers


def browser_options(profile: Profile) -> dict[str, Any]:
    """The options of a Playwright context. The referer is not among them: ``goto`` takes it, for the page alone."""
    return {
        "user_agent": profile.user_agent,
        "extra_http_headers": dict(profile.headers),
        "viewport": profile.viewport.model_dump(),
        "is_mobile": profile.is_mobile,
        "has_touch": profile.has_touch,
    }
