"""How a server was reached: DNS as answered, by whom and for how long; certificates as presented; each step's time."""

from __future__ import annotations

import asyncio
import datetime
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import certifi
import dns.message
import dns.rcode
import dns.rrset
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from crawler import certificates, resolve
from crawler.certificates import described, faults, presented
from crawler.egress import Egress, Refused, Route
from crawler.resolve import Answer, Resolver

NO_HOSTS = Path("/nowhere/hosts")

# -- names -----------------------------------------------------------------------------------------------------------

ZONE = {
    ("shop.test.", "A"): ["shop.test. 300 IN CNAME edge.cdn.test.", "edge.cdn.test. 60 IN A 203.0.113.5"],
    ("shop.test.", "AAAA"): ["shop.test. 300 IN CNAME edge.cdn.test.", "edge.cdn.test. 60 IN AAAA 2001:db8::5"],
    ("inner.test.", "A"): ["inner.test. 1 IN A 10.0.0.7", "inner.test. 1 IN A 8.8.8.8"],
    ("six.test.", "AAAA"): ["six.test. 30 IN AAAA 2400:3200::1"],
}
BROKEN = "broken.test."


def answer(query: dns.message.Message) -> dns.message.Message | None:
    question = query.question[0]
    name, kind = question.name.to_text(), question.rdtype.name
    response = dns.message.make_response(query)
    if name == "silent.test.":
        return None
    if name == BROKEN:
        response.set_rcode(dns.rcode.SERVFAIL)
    elif not any(name == known for known, _ in ZONE):
        response.set_rcode(dns.rcode.NXDOMAIN)
    sets: dict[tuple[str, str], list[str]] = {}
    for line in ZONE.get((name, kind), ()):
        owner, ttl, _, record, value = line.split()
        sets.setdefault((owner, f"{ttl} {record}"), []).append(value)
    for (owner, told), values in sets.items():
        ttl, record = told.split()
        response.answer.append(dns.rrset.from_text(owner, int(ttl), "IN", record, *values))
    return response


@contextmanager
def name_server() -> Iterator[tuple[int, list[str]]]:
    """A DNS server on loopback: its port, and the names it was asked for."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind(("127.0.0.1", 0))
        asked: list[str] = []

        def serve() -> None:
            while True:
                wire, client = door.recvfrom(4096)
                if not wire:
                    return
                query = dns.message.from_wire(wire)
                asked.append(query.question[0].name.to_text())
                if response := answer(query):
                    door.sendto(response.to_wire(), client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = door.getsockname()[1]
        yield port, asked
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", port))
        thread.join()


@pytest.fixture
def server() -> Iterator[tuple[int, list[str]]]:
    with name_server() as running:
        yield running


def look(host: str, port: int, hosts: Path = NO_HOSTS) -> Answer:
    return asyncio.run(Resolver(hosts, ["127.0.0.1"], port).lookup(host))


def test_an_answer_is_kept_as_it_was_given(server: tuple[int, list[str]]) -> None:
    found = look("shop.test", server[0])
    assert found.addresses == ("203.0.113.5", "2001:db8::5")
    assert found.resolver == "127.0.0.1"
    assert found.records == (
        "shop.test. 300 IN CNAME edge.cdn.test.",
        "edge.cdn.test. 60 IN A 203.0.113.5",
        "edge.cdn.test. 60 IN AAAA 2001:db8::5",
    )
    assert look("six.test", server[0]).addresses == ("2400:3200::1",)


def test_an_answer_holds_for_its_time(server: tuple[int, list[str]]) -> None:
    async def twice() -> None:
        resolver = Resolver(NO_HOSTS, ["127.0.0.1"], server[0])
        assert await resolver.lookup("shop.test") == await resolver.lookup("shop.test")

    asyncio.run(twice())
    assert len(server[1]) == 2  # A and AAAA, once


@pytest.mark.parametrize(
    "host", ["nobody.test", "broken.test", "a" * 70 + ".test", "a..b", "bücher\x00.test", "例子.测试"]
)
def test_a_name_without_an_address_is_an_error_and_asks_nobody_else(
    server: tuple[int, list[str]], host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolve, "_system", None)
    with pytest.raises(socket.gaierror):
        look(host, server[0])


def test_the_hosts_file_comes_first_and_is_named(server: tuple[int, list[str]], tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("# own\n198.51.100.9 Shop.Test shop\n::1 shop.test # six\nnonsense x\n\n")
    found = ("198.51.100.9", "::1")
    assert look("shop.test", server[0], hosts) == Answer(found, found, "hosts")
    assert not server[1]


def test_a_silent_resolver_leaves_the_system_which_tells_no_ttl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "DNS_SECONDS", 0.3)
    with name_server() as (port, asked):

        async def ask() -> None:
            resolver = Resolver(NO_HOSTS, ["127.0.0.1"], port)
            resolver._dns.lifetime = 0.3
            with pytest.raises(socket.gaierror):
                await resolver.lookup("silent.test")
            # It has not been heard for as long as this resolver lives, and is not waited for again.
            assert await resolver.lookup("localhost") == Answer(
                *[(await resolve._system("localhost")).addresses] * 2, "system"
            )
            assert "localhost." not in asked

        asyncio.run(ask())


def test_one_dead_zone_does_not_cost_the_others_their_resolver(server: tuple[int, list[str]]) -> None:
    async def ask() -> None:
        resolver = Resolver(NO_HOSTS, ["127.0.0.1"], server[0])
        resolver._dns.lifetime = 0.3
        assert (await resolver.lookup("six.test")).resolver == "127.0.0.1"
        with pytest.raises(socket.gaierror):
            await resolver.lookup("silent.test")
        assert (await resolver.lookup("shop.test")).resolver == "127.0.0.1"

    asyncio.run(ask())


def test_only_the_addresses_that_may_be_are_on_the_way(server: tuple[int, list[str]]) -> None:
    egress = Egress(resolver=Resolver(NO_HOSTS, ["127.0.0.1"], server[0]))
    told = ("inner.test. 1 IN A 10.0.0.7", "inner.test. 1 IN A 8.8.8.8")
    route = asyncio.run(egress.resolve("inner.test", 80))
    assert replace(route, records=tuple(sorted(route.records))) == Route(("8.8.8.8",), 80, told, "127.0.0.1")
    with pytest.raises(Refused, match=re.escape("203.0.113.5")):
        asyncio.run(egress.resolve("shop.test", 80))


# -- certificates ----------------------------------------------------------------------------------------------------

NOW = datetime.datetime.now(datetime.UTC)
DAYS = datetime.timedelta(days=1)
Key = ec.EllipticCurvePrivateKey


def certificate(
    name: str,
    key: Key,
    issuer: str,
    issuer_key: Key,
    *,
    days: int = 30,
    names: tuple[str, ...] = (),
    authority: bool = False,
) -> x509.Certificate:
    def called(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    end = NOW + days * DAYS
    built = x509.CertificateBuilder(
        called(issuer), called(name), key.public_key(), x509.random_serial_number(), end - 400 * DAYS, end
    )
    built = built.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    built = built.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False)
    if authority:
        built = built.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        built = built.add_extension(usage, critical=True)
    else:
        built = built.add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), False)
    if names:
        built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), False)
    return built.sign(issuer_key, hashes.SHA256())


class Authority:
    """A root, an intermediate, and the server certificates they issue."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root_key, self.middle_key, self.key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        self.root = certificate("Root", self.root_key, "Root", self.root_key, days=300, authority=True)
        self.middle = certificate("Middle", self.middle_key, "Root", self.root_key, days=200, authority=True)
        (folder / "roots.pem").write_bytes(self.root.public_bytes(serialization.Encoding.PEM))

    def issue(self, *names: str, days: int = 30) -> x509.Certificate:
        return certificate("Server", self.key, "Middle", self.middle_key, days=days, names=names)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
    made = Authority(tmp_path)
    monkeypatch.setattr(certifi, "where", lambda: str(tmp_path / "roots.pem"))
    certificates._roots.cache_clear()
    yield made
    certificates._roots.cache_clear()


def der(*chain: x509.Certificate) -> tuple[bytes, ...]:
    return tuple(each.public_bytes(serialization.Encoding.DER) for each in chain)


def found(chain: tuple[bytes, ...], host: str) -> str:
    return "；".join(faults(chain, host, NOW))


def test_a_sound_chain_has_no_fault(authority: Authority) -> None:
    chain = der(authority.issue("shop.test", "*.shop.test"), authority.middle)
    assert found(chain, "shop.test") == found(chain, "www.shop.test") == ""
    assert found(chain, "a.www.shop.test") == "证书不是颁发给 a.www.shop.test 的"
    assert found(der(authority.issue("*.shop.test"), authority.middle), "shop.test") == "证书不是颁发给 shop.test 的"


def test_each_fault_is_named(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    assert found(der(authority.issue("a.test")), "a.test") == "证书链不能追溯到受信任的根"
    assert found(der(other.issue("a.test"), other.middle), "a.test") == "证书链不能追溯到受信任的根"
    assert found(der(authority.issue("a.test", days=-1), authority.middle), "a.test") == "证书不在有效期内"
    own = certificate("a.test", authority.key, "a.test", authority.key, names=("a.test",))
    assert found(der(own), "a.test") == "证书为自签名"
    assert found((b"no certificate",), "a.test") == "证书无法解析"
    assert described(b"no certificate").subject == ""


def test_the_chain_is_kept_as_it_was_presented(authority: Authority, tmp_path: Path) -> None:
    sent = (authority.issue("shop.test"), authority.middle, authority.root)
    pem = tmp_path / "server.pem"
    pem.write_bytes(
        b"".join(each.public_bytes(serialization.Encoding.PEM) for each in sent)
        + authority.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )

    async def meet() -> tuple[bytes, ...]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
        anything = ssl._create_unverified_context()  # noqa: S323
        async with server:
            port = server.sockets[0].getsockname()[1]
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=anything, server_hostname="shop.test")
            chain = presented(writer.get_extra_info("ssl_object"))
            writer.close()
            return chain

    chain = asyncio.run(meet())
    assert chain == der(*sent)
    own = described(chain[0])
    assert (own.subject, own.issuer, own.names) == ("CN=Server", "CN=Middle", ("shop.test",))
    assert own.sha256 == sent[0].fingerprint(hashes.SHA256()).hex()
    assert int(own.serial, 16) == sent[0].serial_number
    assert own.not_after == sent[0].not_valid_after_utc
