"""URLs as this crawler spells them: one canonical form for deciding what is the same page."""

from __future__ import annotations

import re
import string
from functools import lru_cache
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

import idna

MAX_LENGTH = 2000
# Parameters that only tell where a visitor came from. Referral parameters are NOT here: they name an operator.
_TRACKING = re.compile(r"^(utm_\w+|spm|from_source|gclid|fbclid|_t|timestamp)$", re.I)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_UNRESERVED = string.ascii_letters + string.digits + "-._~"


class BadURL(ValueError):
    """Not an address this crawler may fetch; the message says why, in words."""


def host_to_ascii(host: str) -> str:
    """A host name in its ASCII form (IDNA 2008, UTS 46 mapping); addresses pass through. Raises ``BadURL``."""
    if re.fullmatch(r"[0-9a-f:.]*:[0-9a-f:.]*", host, re.I) or host.isascii():
        return host.lower().rstrip(".")
    try:
        return idna.encode(host, uts46=True).decode()
    except idna.IDNAError as error:
        raise BadURL(f"{host} 不是主机名") from error


def _plain(path: str) -> str:
    """A path without needless escapes. What an escape stands for may differ (``%2F``), so only unreserved ones go."""
    path = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", path)
    return re.sub(
        r"%([0-9A-Fa-f]{2})",
        lambda m: letter if (letter := chr(int(m[1], 16))) in _UNRESERVED else m[0].upper(),
        path,
    )


def canonical(url: str, base: str = "") -> str:
    """The one spelling of ``url`` (joined to ``base``): ASCII host, no fragment, no tracking, sorted nothing else.

    Raises ``BadURL`` for anything but a plain http or https address: other schemes, credentials, no host, too long.
    """
    try:
        whole = urljoin(base, url.strip()).partition("#")[0]
    except ValueError as error:
        raise BadURL(f"不是网址（{error}）") from error
    return (_remembered if len(whole) <= MAX_LENGTH else _spell)(whole)


def _spell(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadURL(f"不是网址（{error}）") from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise BadURL(f"只采集 http 与 https，不采集 {parts.scheme or '无协议'}:")
    if parts.username is not None or parts.password is not None:
        raise BadURL("不采集带有用户名或密码的网址")
    host = host_to_ascii(parts.hostname or "")
    if not host or not re.fullmatch(r"[0-9a-z_.:-]+", host) or ".." in host:
        raise BadURL(f"{parts.hostname or '空'} 不是主机名")
    netloc = f"[{host}]" if ":" in host else host
    if port and port != _DEFAULT_PORTS[parts.scheme]:
        netloc = f"{netloc}:{port}"
    query = "&".join(pair for pair in parts.query.split("&") if not _TRACKING.match(pair.partition("=")[0]))
    try:
        path = quote(_plain(parts.path), safe="/%:@!$&'()*+,;=~-._")
        query = quote(query, safe="%=&+:/?@!$'()*,;~-._[]")
    except UnicodeEncodeError as error:
        raise BadURL("网址中有无法编码的字符") from error
    spelled = urlunsplit((parts.scheme, netloc, path or "/", query, ""))
    if len(spelled) > MAX_LENGTH:
        raise BadURL(f"网址超过 {MAX_LENGTH} 个字符")
    return spelled


# The links of a site's pages are mostly the same ones.
_remembered = lru_cache(maxsize=4096)(_spell)


@lru_cache(maxsize=1024)
def host_of(url: str) -> str:
    """The host of a URL in lower case, without the port; empty when there is none."""
    return (urlsplit(url).hostname or "").lower()


def in_scope(url: str, hosts: frozenset[str]) -> bool:
    """Whether the URL's host is one of the hosts, or below one of them (``www.`` counts as the name it precedes)."""
    host = host_of(url)
    return any(host == base or host.endswith("." + base) for base in hosts)


def scope_hosts(urls: list[str]) -> frozenset[str]:
    """The hosts that the seeds put in scope."""
    return frozenset(host_of(url).removeprefix("www.") for url in urls)
