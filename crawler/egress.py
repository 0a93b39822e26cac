"""One way out: every connection, Scrapy's and the browser's, is resolved and allowed here and nowhere else.

The address that was checked is the address that is connected to, so a name that answers differently the second time
(DNS rebinding) gains nothing. Special-purpose addresses (RFC 6890: private, loopback, link-local, metadata, …) are
refused unless ``--connect-to`` or ``network.allow`` names them.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from crawler.resolve import Answer, Resolver

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class Refused(Exception):
    """The policy does not let this connection out; the message says which address and why."""


class BadConnectTo(ValueError):
    """A ``--connect-to`` value is not HOST:PORT:ADDR:PORT."""


@dataclass(frozen=True, slots=True)
class ConnectTo:
    """As curl's option: connections to ``host:port`` go to ``address:to_port``; an empty field matches or keeps any."""

    host: str
    port: str
    address: str
    to_port: str

    @classmethod
    def parse(cls, value: str) -> ConnectTo:
        """Raises ``BadConnectTo``."""
        fields: list[str] = []
        rest = value
        for index in range(4):
            if rest.startswith("["):
                name, bracket, rest = rest[1:].partition("]")
                if not bracket:
                    break
                rest = rest.removeprefix(":") if index < 3 else rest
            else:
                name, _, rest = rest.partition(":")
            fields.append(name)
        ports = (port for port in fields[1::2] if port)
        if len(fields) != 4 or rest or value.count(":") < 3 or not all(_is_port(port) for port in ports):
            raise BadConnectTo(f"{value} 不是“主机:端口:地址:端口”的形式（例如 ::127.0.0.1:8100）。")
        return cls(fields[0].lower(), fields[1], fields[2], fields[3])

    def matches(self, host: str, port: int) -> bool:
        return self.host in ("", host) and self.port in ("", str(port))


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) < 65536


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 one wraps (mapped, 6to4, NAT64's RFC 6052 prefix), or itself."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


@dataclass(frozen=True, slots=True)
class Route:
    """The way to a host: ``addresses`` checked and to be connected to at ``port``, and how they were come by: DNS records
    as answered (or addresses) and who was asked, as ``crawler.resolve.Answer`` has them, or ``connect-to``."""

    addresses: tuple[str, ...]
    port: int
    records: tuple[str, ...]
    resolver: str


@dataclass
class Egress:
    """The policy of one run. ``routes`` remembers the last way to each host, for what the browser loads.

    The resolver's own address needs no allowance: it is asked, not connected to for a page.
    """

    connect_to: tuple[ConnectTo, ...] = ()
    allow: tuple[Network, ...] = ()
    resolver: Resolver = field(default_factory=Resolver)
    routes: dict[str, Route] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    async def resolve(self, host: str, port: int) -> Route:
        """The way to ``host:port``, to the addresses that the policy allows and no other.

        Raises ``Refused`` when the policy allows none, ``socket.gaierror`` when the name does not resolve.
        """
        host = host.lower().strip("[]").rstrip(".")
        for rule in self.connect_to:
            if rule.matches(host, port):
                to_port = int(rule.to_port or port)
                if rule.address:
                    addresses = (await self.resolver.lookup(rule.address)).addresses
                else:
                    addresses = self._allowed(host, await self.resolver.lookup(host))
                told = tuple(f"connect-to {address}:{to_port}" for address in addresses)
                route = Route(addresses, to_port, told, "connect-to")
                break
        else:
            answer = await self.resolver.lookup(host)
            route = Route(self._allowed(host, answer), port, answer.records, answer.resolver)
        self.routes[host] = route
        return route

    def _allowed(self, host: str, answer: Answer) -> tuple[str, ...]:
        allowed = tuple(address for address in answer.addresses if self.permits(ipaddress.ip_address(address)))
        if not allowed:
            why = f"{host} 解析为 {', '.join(answer.addresses)}，不是公网地址，出口策略不允许访问"
            self.refused[host] = why
            raise Refused(why)
        return allowed

    def permits(self, address: Address) -> bool:
        """Whether the policy lets a connection go to this very address."""
        inner = _embedded(address)
        if any(candidate in network for candidate in {address, inner} for network in self.allow):
            return True
        return inner.is_global and address.is_global and not (inner.is_multicast or inner.is_reserved)
