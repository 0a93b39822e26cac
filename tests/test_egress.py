"""One way out: which addresses are reached, which are refused, and that the proxy asks the same policy."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web import Web

from crawler.egress import BadConnectTo, ConnectTo, Egress, Refused, Route
from crawler.proxy import EgressProxy

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)

REFUSED = [
    "127.0.0.1", "127.255.0.9", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.7", "198.18.0.1",
    "::1", "::", "fe80::1", "fc00::1", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1",
    "::127.0.0.1", "2002:7f00:1::", "2002:a00:1::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
]  # fmt: skip


@pytest.mark.parametrize("address", REFUSED)
def test_special_addresses_are_refused(address: str) -> None:
    assert not Egress().permits(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "114.114.114.114", "2400:3200::1", "64:ff9b::808:808"])
def test_public_addresses_are_permitted(address: str) -> None:
    assert Egress().permits(ipaddress.ip_address(address))


@given(st.ip_addresses(v=4).filter(lambda address: not address.is_global))
def test_no_wrapping_makes_a_private_address_public(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    for wrapped in (f"::ffff:{address}", f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1", f"64:ff9b::{address}"):
        assert not Egress().permits(ipaddress.ip_address(wrapped))


# Spellings of loopback, of the metadata service and of private networks that resolvers take for addresses.
SPELLINGS = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]",
    "localhost", "LOCALHOST.", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.169.254", "10.1", "0",
]  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_a_private_address_is_refused(spelling: str) -> None:
    egress = Egress()
    with pytest.raises(Refused, match="出口策略不允许"):
        asyncio.run(egress.resolve(spelling, 80))
    assert egress.refused


def test_a_name_that_does_not_resolve_is_not_a_refusal() -> None:
    with pytest.raises(socket.gaierror):
        asyncio.run(Egress().resolve("no-such-host.invalid", 80))


def test_allow_opens_exactly_what_it_names() -> None:
    egress = Egress(allow=(ipaddress.ip_network("127.0.0.0/28"),))
    assert asyncio.run(egress.resolve("127.0.0.1", 8080)) == Route(("127.0.0.1",), 8080, ("127.0.0.1",), "literal")
    with pytest.raises(Refused):
        asyncio.run(egress.resolve("127.0.0.77", 80))


# -- --connect-to ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        ("a.test:80:127.0.0.1:8100", ConnectTo("a.test", "80", "127.0.0.1", "8100")),
        ("::127.0.0.1:8100", ConnectTo("", "", "127.0.0.1", "8100")),
        ("A.test:::", ConnectTo("a.test", "", "", "")),
        ("a.test:443::8443", ConnectTo("a.test", "443", "", "8443")),
        ("[::1]:80:[2001:db8::2]:81", ConnectTo("::1", "80", "2001:db8::2", "81")),
        ("::[::1]:81", ConnectTo("", "", "::1", "81")),
        (":::", ConnectTo("", "", "", "")),
    ],
)
def test_connect_to_is_read_as_curl_reads_it(value: str, parsed: ConnectTo) -> None:
    assert ConnectTo.parse(value) == parsed


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a.test",
        "a.test:80",
        "a:80:b",
        "a:x:b:80",
        "a:80:b:81:c",
        "[::1:80:b:81",
        "a:80:b:²",
        "a:80:b:70000",
        "a:-1:b:1",
    ],
)
def test_what_is_not_a_connect_to_is_refused_with_the_form(value: str) -> None:
    with pytest.raises(BadConnectTo, match="主机:端口:地址:端口"):
        ConnectTo.parse(value)


@given(st.text(st.sampled_from("a.1:[]²٣-"), max_size=20) | st.text(max_size=20))
def test_any_value_is_read_or_refused(value: str) -> None:
    with contextlib.suppress(BadConnectTo):
        rule = ConnectTo.parse(value)
        assert all(0 <= int(port) < 65536 for port in (rule.port, rule.to_port) if port)


def test_the_first_matching_rule_wins_and_an_empty_address_keeps_the_policy() -> None:
    rules = ("a.test:80:127.0.0.1:81", "10.0.0.9:::", "::127.0.0.1:82")
    egress = Egress(tuple(ConnectTo.parse(rule) for rule in rules))
    for name, port, to_port in (("A.TEST.", 80, 81), ("a.test", 443, 82)):
        told = Route(("127.0.0.1",), to_port, (f"connect-to 127.0.0.1:{to_port}",), "connect-to")
        assert asyncio.run(egress.resolve(name, port)) == egress.routes["a.test"] == told
    with pytest.raises(Refused):
        asyncio.run(egress.resolve("10.0.0.9", 80))


# -- the proxy -------------------------------------------------------------------------------------------------------


async def _through(egress: Egress, *sent: bytes) -> bytes:
    async with EgressProxy(egress) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        for piece in sent:
            writer.write(piece)
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await writer.wait_closed()
        return answer


def exchange(egress: Egress, *sent: bytes) -> bytes:
    """What a proxy of the policy answers, to the end of the connection."""
    return asyncio.run(_through(egress, *sent))


@pytest.mark.parametrize("method", ["GET http://{host}:{port}/x HTTP/1.1", "CONNECT {host}:{port} HTTP/1.1"])
@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "[::ffff:127.0.0.1]", "localhost"])
def test_the_proxy_answers_403_and_connects_to_nothing(web: Web, method: str, host: str) -> None:
    before = len(web.hits)
    answer = exchange(Egress(), method.format(host=host, port=web.port).encode() + b"\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert "出口策略不允许" in answer.decode()
    assert len(web.hits) == before


def test_the_browsers_own_requests_go_nowhere_even_where_everything_is_allowed(web: Web) -> None:
    everywhere = Egress((ConnectTo("", "", "127.0.0.1", str(web.port)),))
    before = len(web.hits)
    for head in (b"CONNECT update.googleapis.com:443 HTTP/1.1", b"GET http://Accounts.Google.com/x HTTP/1.1"):
        assert exchange(everywhere, head + b"\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 403 ")
    assert len(web.hits) == before


def test_the_proxy_passes_what_is_allowed(web: Web) -> None:
    egress = Egress((ConnectTo("pass.test", "", "127.0.0.1", str(web.port)),))
    answer = exchange(
        egress, b"GET http://pass.test/gzip?q=1 HTTP/1.1\r\nHost: pass.test\r\nProxy-Connection: keep-alive\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 200 ")
    hit = web.asked("pass.test", "/gzip")[-1]
    assert hit.headers["Connection"] == "close"
    assert "Proxy-Connection" not in hit.headers


def test_a_tunnel_carries_bytes_both_ways(web: Web) -> None:
    sent = b"GET /redirect/0 HTTP/1.1\r\nHost: tunnel.test\r\nConnection: close\r\n\r\n"
    answer = exchange(Egress(allow=LOOPBACK), f"CONNECT 127.0.0.1:{web.port} HTTP/1.1\r\n\r\n".encode(), sent)
    assert answer.startswith(b"HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 200 ")
    assert web.asked("tunnel.test", "/redirect/0")


def test_a_dead_address_is_answered_and_nonsense_is_hung_up_on() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        assert exchange(Egress(allow=LOOPBACK), f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode()).startswith(
            b"HTTP/1.1 502 "
        )
    assert exchange(Egress(), b"CONNECT no-such-host.invalid:80 HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 502 ")
    assert exchange(Egress(), b"GET ftp://a.test/ HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert exchange(Egress(), b"nonsense\r\n\r\n") == b""
