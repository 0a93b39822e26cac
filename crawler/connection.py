"""A connection that remembers how it was come by: the way, how long each step took, and with whom it is encrypted."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import Any

import aiohttp
from aiohttp.abc import ResolveResult
from aiohttp.client_proto import ResponseHandler

from crawler.certificates import described, faults, presented
from crawler.egress import Egress, Route
from data.records import Certificate, Network, Timings

RECEIVE_BYTES = 512 << 10  # Linux doubles it, for its own bookkeeping
# Host, way, how long finding it took in seconds, and when it was found: from where the name is resolved to where the
# connection is made, which is in the same task.
_way: ContextVar[tuple[str, Route, float, float]] = ContextVar("way")


class Connection(ResponseHandler):
    """Made when TCP is connected; told when TLS is."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._connected_at = monotonic()
        self.host, self.route, self._dns, begun = _way.get()
        self._connect = self._connected_at - begun
        self._tls: float | None = None
        self._used = False
        self.encryption: dict[str, str] = {}
        self._chain: tuple[Certificate, ...] = ()
        self._distrust = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        encrypted = transport.get_extra_info("ssl_object")
        if isinstance(encrypted, ssl.SSLObject):
            self._tls = monotonic() - self._connected_at
            self.encryption = {"version": encrypted.version() or "", "cipher": (encrypted.cipher() or ("",))[0]}
            if chain := presented(encrypted):
                self._chain = tuple(described(der) for der in chain)
                self._distrust = "；".join(faults(chain, self.host, datetime.now(UTC)))

    def network(self, first_byte: float, whole: float) -> Network:
        """How the server was reached for one exchange (of that, its times in seconds); the steps count for the first."""
        steps = (None, None, None) if self._used else (self._dns, self._connect, self._tls)
        self._used = True
        times = Timings(*(None if step is None else round(step * 1000, 1) for step in (*steps, first_byte, whole)))
        return Network(self.route.resolver, self.route.port, self._chain, self._distrust, times)


def _socket(address: Any) -> socket.socket:
    """A socket whose buffer does not grow: Linux would let a server send up to 32 MB ahead of what is read, beyond every
    cap. It is enough for 5 MB a second from a server that is a fifth of a second away."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
    return made


class EgressConnector(aiohttp.TCPConnector):
    """Connects to the addresses the policy returns, and to no other: names and literal addresses alike."""

    def __init__(self, egress: Egress, **options: Any) -> None:
        super().__init__(use_dns_cache=False, socket_factory=_socket, **options)
        self._egress = egress
        protocol: type[ResponseHandler] = Connection
        self._factory = partial(protocol, loop=self._loop)

    async def _resolve_host(self, host: str, port: int, traces: Sequence[Any] | None = None) -> list[ResolveResult]:  # noqa: ARG002
        begun = monotonic()
        route = await self._egress.resolve(host, port)
        _way.set((host.lower().rstrip("."), route, monotonic() - begun, monotonic()))
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=route.port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in route.addresses
        ]
