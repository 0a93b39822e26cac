"""Names to addresses, with what a court may ask of it: who was asked, what was answered, and for how long it holds."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import dns.asyncresolver
import dns.exception
import dns.resolver
from dns.rdatatype import AAAA, A, RdataType

HOSTS = Path("/etc/hosts")
# A resolver that is silent for so long is taken for absent, and the system is asked instead, for a minute.
DNS_SECONDS = 4.0
SYSTEM_SECONDS = 60.0
CACHED_NAMES = 10_000
SAID = (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.resolver.NoNameservers)


@dataclass(frozen=True, slots=True)
class Answer:
    """The addresses of a host name. ``records`` are the DNS records as answered, one a line as in a zone file (RFC 1035,
    5.1: name, TTL in seconds, class, type, value); addresses alone where they are from elsewhere.

    ``resolver`` is the address of the resolver that answered, or ``hosts`` (the hosts file), ``literal`` (the host was an
    address), ``system`` (no resolver answered; the system's own way was taken, which tells no TTL).
    """

    addresses: tuple[str, ...]
    records: tuple[str, ...]
    resolver: str


class Resolver:
    """Asks the resolvers that the system is configured with, itself; one a process. Answers are kept for their TTL."""

    def __init__(self, hosts: Path = HOSTS, nameservers: Iterable[str] | None = None, port: int = 53) -> None:
        self._hosts = _hosts_file(hosts)
        self._system_until = 0.0
        self._heard_at = -SYSTEM_SECONDS
        try:
            self._dns = dns.asyncresolver.Resolver(configure=nameservers is None)
        except dns.resolver.NoResolverConfiguration:
            self._dns = dns.asyncresolver.Resolver(configure=False)
        if nameservers is not None:
            self._dns.nameservers = list(nameservers)
            self._dns.port = port
        self._dns.lifetime = DNS_SECONDS
        self._dns.timeout = DNS_SECONDS / 2
        self._dns.cache = dns.resolver.LRUCache(CACHED_NAMES)

    async def lookup(self, host: str) -> Answer:
        """The addresses of ``host`` (a name, or an address in any spelling), IPv4 first. Raises ``socket.gaierror``."""
        if literal := _literal(host):
            return Answer((literal,), (literal,), "literal")
        if listed := self._hosts.get(host):
            return Answer(tuple(listed), tuple(listed), "hosts")
        if not self._dns.nameservers or time.monotonic() < self._system_until:
            return await _system(host)
        found = await asyncio.gather(self._ask(host, A), self._ask(host, AAAA), return_exceptions=True)
        answers = [answer for answer in found if isinstance(answer, dns.resolver.Answer)]
        errors = [error for error in found if isinstance(error, BaseException)]
        if answers or any(isinstance(error, SAID) and not _silent(error) for error in errors):
            self._heard_at = time.monotonic()
        if answers:
            return _told(answers)
        # That a name is not there, or its own servers are broken, is an answer; only a resolver's silence sends us elsewhere.
        if time.monotonic() - self._heard_at < SYSTEM_SECONDS or not all(map(_silent, errors)):
            raise socket.gaierror(socket.EAI_NONAME, f"{host}: {errors[0]}")
        self._system_until = time.monotonic() + SYSTEM_SECONDS
        return await _system(host)

    async def _ask(self, host: str, kind: RdataType) -> dns.resolver.Answer:
        return await self._dns.resolve(f"{host}.", kind, search=False)


def _silent(error: BaseException) -> bool:
    """Whether an error means that no resolver said anything."""
    if isinstance(error, dns.resolver.NoNameservers):
        return all(said[4] is None for said in error.kwargs["errors"])
    return isinstance(error, (dns.exception.Timeout, OSError))


def _told(answers: list[dns.resolver.Answer]) -> Answer:
    addresses = [record.address for answer in answers for record in answer]
    lines = [
        line
        for answer in answers
        for rrset in (*answer.chaining_result.cnames, answer.rrset)
        if rrset is not None
        for line in rrset.to_text().splitlines()
    ]
    return Answer(tuple(addresses), tuple(dict.fromkeys(lines)), answers[0].nameserver or "")


async def _system(host: str) -> Answer:
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    addresses = tuple(dict.fromkeys(str(info[4][0]).partition("%")[0] for info in found))
    return Answer(addresses, addresses, "system")


def _literal(host: str) -> str:
    """The address that ``host`` spells, if it does: also in the decimal, octal and short forms that a connection takes."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (socket.gaierror, UnicodeError):
        return ""
    return str(found[0][4][0]).partition("%")[0]


def _hosts_file(path: Path) -> dict[str, list[str]]:
    """Addresses by name; a name may have several."""
    names: dict[str, list[str]] = {}
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return names
    for line in lines:
        address, *listed = line.partition("#")[0].split() or [""]
        try:
            ipaddress.ip_address(address)
        except ValueError:
            continue
        for name in listed:
            names.setdefault(name.lower().rstrip("."), []).append(address)
    return names
