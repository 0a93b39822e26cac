"""The server of a hostile web on loopback: raw sockets, a free port, and a behaviour (``misbehaviour.py``) for every host name.

``serve()`` gives a ``Hostile`` that counts what it sent. The first label of the host says what goes wrong at ``/``; every
host also has an innocent page, ``/after``, that must be captured whatever happened before it. Everything is invented.
"""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

WORDS = "蓝江图书馆自习室今日开放，读者凭借书证入馆，可以在二楼阅览室阅读报刊，也可以在三楼借还图书，场内请保持安静。"
LAST_SIGHT = 120.0  # seconds after which a thread that nobody listens to gives up


@dataclass
class Hostile:
    """What a running server knows: its ports, what it sent by host, how often each URL was asked for."""

    port: int = 0
    tls_port: int = 0
    expired_port: int = 0
    garbage_port: int = 0
    sent: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    closing: threading.Event = field(default_factory=threading.Event)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, url: str, timeout: float = 40) -> None:
        """Return when the URL (host and path) was asked for; raises ``TimeoutError``."""
        with self.changed:
            if not self.changed.wait_for(lambda: self.asked[url] > 0, timeout):
                raise TimeoutError(f"{url} was not asked for")


@dataclass
class Visit:
    """One request, and the connection to misbehave on."""

    web: Hostile
    connection: socket.socket
    host: str
    path: str

    def send(self, content: bytes) -> None:
        self.connection.sendall(content)
        self.web.sent[self.host] += len(content)

    def pause(self, seconds: float) -> bool:
        """Wait; whether the server still runs."""
        return not self.web.closing.wait(seconds)

    def answer(
        self, body: bytes | str, kind: str = "text/html; charset=utf-8", status: str = "200 OK", headers: str = ""
    ) -> None:
        """An answer as it should be."""
        content = body.encode() if isinstance(body, str) else body
        length = f"Content-Length: {len(content)}\r\n"
        self.send(f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{headers}{length}Connection: close\r\n\r\n".encode())
        self.send(content)

    def page(self, body: str = "", head: str = "") -> None:
        self.answer(page(body, head))

    def head(self, lines: str = "") -> None:
        """The beginning of an answer whose body has no stated length."""
        self.send(f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n{lines}\r\n".encode())


def page(body: str = "", head: str = "") -> str:
    return f"<!doctype html><html><head>{head}<title>通知</title></head><body><p>{WORDS}</p>{body}</body></html>"


Behaviour = Callable[[Visit], None]
BEHAVIOURS: dict[str, Behaviour] = {}
ROBOTS: dict[str, Behaviour] = {}  # what is answered for robots.txt; the others have none


def behaviour(*names: str) -> Callable[[Behaviour], Behaviour]:
    def add(answer: Behaviour) -> Behaviour:
        BEHAVIOURS.update(dict.fromkeys(names, answer))
        return answer

    return add


def name_of(host: str) -> str:
    return host.partition(".")[0]


# -- the server ----------------------------------------------------------------------------------------------------------


def _serve_one(web: Hostile, connection: socket.socket) -> None:
    connection.settimeout(LAST_SIGHT)
    with contextlib.suppress(OSError, ValueError), connection:
        request = b""
        while b"\r\n\r\n" not in request:
            piece = connection.recv(65_536)
            if not piece:
                return
            request += piece
        lines = request.decode("latin-1").split("\r\n")
        path = lines[0].split(" ")[1]
        host = next((line[5:].strip() for line in lines if line.lower().startswith("host:")), "").partition(":")[0]
        with web.changed:
            web.asked[host + path] += 1
            web.changed.notify_all()
        visit = Visit(web, connection, host, path)
        if path == "/robots.txt":
            ROBOTS.get(name_of(host), lambda v: v.answer("", "text/plain", "404 Not Found"))(visit)
        elif path == "/after":
            visit.page("无辜的一页")
        elif name_of(host) == "robots-redirects" and path != "/":
            BEHAVIOURS["redirects"](visit)
        else:
            BEHAVIOURS.get(name_of(host), Visit.page)(visit)


def _listen(web: Hostile, greet: Callable[[socket.socket], socket.socket]) -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)

    def serve_one(connection: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError):
                _serve_one(web, greet(connection))
        finally:
            connection.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve_one, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener


def _certificate(folder: Path, name: str, until: datetime.timedelta) -> ssl.SSLContext:
    """A self-signed certificate that ends ``until`` from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name}.bad.test")])
    end = datetime.datetime.now(datetime.UTC) + until
    built = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number(),
                                    end - datetime.timedelta(days=400), end).sign(key, hashes.SHA256())  # fmt: skip
    pem = folder / f"{name}.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + built.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def _garble(connection: socket.socket) -> socket.socket:
    connection.recv(1024)
    connection.sendall(b"\x16\x03\x03\xff\xff" + b"garbage" * 100)
    return connection


@contextmanager
def serve(folder: Path) -> Iterator[Hostile]:
    """Run the hostile web; certificates are made in ``folder``."""
    web = Hostile()
    signed = _certificate(folder, "self-signed", datetime.timedelta(days=30))
    expired = _certificate(folder, "expired", datetime.timedelta(days=-30))
    doors = [
        _listen(web, lambda connection: connection),
        _listen(web, lambda connection: signed.wrap_socket(connection, server_side=True)),
        _listen(web, lambda connection: expired.wrap_socket(connection, server_side=True)),
        _listen(web, _garble),
    ]
    web.port, web.tls_port, web.expired_port, web.garbage_port = (door.getsockname()[1] for door in doors)
    try:
        yield web
    finally:
        web.closing.set()
        for door in doors:
            door.shutdown(socket.SHUT_RDWR)
            door.close()
