"""A hostile web on loopback: raw sockets, a free port, and a misbehaviour for every host name.

``serve()`` gives a ``Hostile`` that counts what it sent. The first label of the host says what goes wrong at ``/``; every
host also has an innocent page, ``/after``, that must be captured whatever happened before it. Everything is invented.
"""

from __future__ import annotations

import contextlib
import datetime
import gzip
import socket
import ssl
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import brotli
from backports import zstd
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

WORDS = "蓝江图书馆自习室今日开放，读者凭借书证入馆，可以在二楼阅览室阅读报刊，也可以在三楼借还图书，场内请保持安静。"
TRADITIONAL = "藍江圖書館自習室今日開放，讀者憑借書證入館，可以在二樓閱覽室閱讀報刊，也可以在三樓借還圖書。"
BOMB_BYTES = 96 << 20
TEN_GB = 10 << 30
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


def behaviour(*names: str) -> Callable[[Behaviour], Behaviour]:
    def add(answer: Behaviour) -> Behaviour:
        BEHAVIOURS.update(dict.fromkeys(names, answer))
        return answer

    return add


def name_of(host: str) -> str:
    return host.partition(".")[0]


# -- without end -----------------------------------------------------------------------------------------------------


@behaviour("redirects")
def redirects(visit: Visit) -> None:
    number = len(visit.path)
    visit.answer("", status="302 Found", headers=f"Location: /{'n' * number}\r\n")


@behaviour("endless")
def endless(visit: Visit) -> None:
    number = int(visit.path.strip("/") or 0)
    visit.page("".join(f'<a href="/{number * 3 + step}">下一页</a>' for step in (1, 2, 3)))


@behaviour("drip")
def drip(visit: Visit) -> None:
    visit.head("Content-Length: 100000\r\n")
    visit.send(page().encode())
    while visit.pause(1):
        visit.send(b".")


@behaviour("silent")
def silent(visit: Visit) -> None:
    visit.pause(LAST_SIGHT)


@behaviour("headless")
def headless(visit: Visit) -> None:
    """Never comes to the end of its headers."""
    visit.send(b"HTTP/1.1 200 OK\r\n")
    while visit.pause(1):
        visit.send(b"X-Wait: 1\r\n")


def flood(visit: Visit) -> None:
    piece = f"<p>{WORDS}</p>".encode() * 400
    while visit.web.sent[visit.host] < TEN_GB:
        visit.send(piece)


@behaviour("unbounded")
def unbounded(visit: Visit) -> None:
    visit.head("Connection: close\r\n")
    flood(visit)


@behaviour("declared")
def declared(visit: Visit) -> None:
    visit.head(f"Content-Length: {TEN_GB}\r\n")
    flood(visit)


@behaviour("chunks")
def chunks(visit: Visit) -> None:
    visit.head("Transfer-Encoding: chunked\r\n")
    piece = f"<p>{WORDS}</p>".encode() * 400
    while visit.web.sent[visit.host] < TEN_GB:
        visit.send(b"%x\r\n%s\r\n" % (len(piece), piece))


@behaviour("download")
def download(visit: Visit) -> None:
    visit.send(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
        b'Content-Disposition: attachment; filename="../../../../tmp/\x00evil.sh"\r\n\r\n'
        .replace(b"\x00", b"")
    )  # fmt: skip
    while visit.web.sent[visit.host] < TEN_GB:
        visit.send(b"\x7fELF" * 65536)


# -- bombs -------------------------------------------------------------------------------------------------------------

_PIECE = page(f"<p>{WORDS}</p>" * 200).encode()


def _deflated(wbits: int) -> bytes:
    packer = zlib.compressobj(6, wbits=wbits)
    packed = b"".join(packer.compress(_PIECE) for _ in range(BOMB_BYTES // len(_PIECE)))
    return packed + packer.flush()


def _brotli() -> bytes:
    packer = brotli.Compressor(quality=5)
    packed = b"".join(packer.process(_PIECE) for _ in range(BOMB_BYTES // len(_PIECE)))
    return packed + packer.finish()


BOMBS: dict[str, Callable[[], bytes]] = {
    "gzip": lambda: _deflated(31),
    "deflate": lambda: _deflated(15),
    "br": _brotli,
    "zstd": lambda: zstd.compress(_PIECE * (BOMB_BYTES // len(_PIECE))),
}


@behaviour("gzip", "deflate", "br", "zstd")
def bomb(visit: Visit) -> None:
    coding = name_of(visit.host)
    visit.answer(BOMBS[coding](), headers=f"Content-Encoding: {coding}\r\n")


@behaviour("matryoshka")
def matryoshka(visit: Visit) -> None:
    visit.answer(gzip.compress(gzip.compress(BOMBS["gzip"]())), headers="Content-Encoding: gzip, gzip, gzip\r\n")


@behaviour("damaged")
def damaged(visit: Visit) -> None:
    visit.answer(b"\x1f\x8b\x08\x00" + b"\xff" * 400, headers="Content-Encoding: deflate\r\n")


# -- what the text is written in ---------------------------------------------------------------------------------------

# name: (encoding sent, charset of the header, charset of the markup)
CHARSETS = {
    "gbk": ("gbk", "", "gbk"),
    "gb18030": ("gb18030", "gb18030", ""),
    "big5": ("big5", "big5", ""),
    "utf16": ("utf-16-le", "utf-16le", ""),
    "utf16-bare": ("utf-16-le", "", ""),
    "utf8-as-gbk": ("utf-8", "gbk", ""),
    "header-lies": ("utf-8", "gbk", "utf-8"),
    "meta-lies": ("gbk", "gbk", "utf-8"),
    "no-charset": ("gbk", "", ""),
    "no-such-charset": ("utf-8", "x-klingon", ""),
}


@behaviour(*CHARSETS)
def charset(visit: Visit) -> None:
    encoding, said, meta = CHARSETS[name_of(visit.host)]
    words = TRADITIONAL if encoding == "big5" else WORDS
    head = f'<meta charset="{meta}">' if meta else ""
    content = f"<html><head>{head}<title>字</title></head><body>{f'<p>{words}</p>' * 6}</body></html>"
    visit.answer(content.encode(encoding), f"text/html{f'; charset={said}' if said else ''}")


# -- markup ------------------------------------------------------------------------------------------------------------


@behaviour("deep")
def deep(visit: Visit) -> None:
    visit.page("<div>" * 100_000 + WORDS)


@behaviour("deeper")
def deeper(visit: Visit) -> None:
    """As deep as two megabytes go: a parser that walks up for each needs minutes."""
    visit.page("<div>" * 400_000 + WORDS)


@behaviour("formats")
def formats(visit: Visit) -> None:
    """What is left open is opened again in every paragraph: 200 kB become millions of nodes."""
    visit.page("".join(f"<p><b id={n}>" for n in range(10_000)) + WORDS)


@behaviour("attributes")
def attributes(visit: Visit) -> None:
    visit.page("<p " + " ".join(f"a{n}=1" for n in range(20_000)) + ">" + WORDS)


@behaviour("tables")
def tables(visit: Visit) -> None:
    """Every cell must be moved out of its table: quadratic in a naive reader."""
    visit.page("<table><tr>" * 5_000 + "<a><b>" * 5_000 + WORDS)


@behaviour("nul")
def nul(visit: Visit) -> None:
    visit.answer(page('<a href="/a\x00b">空</a>图书\x00馆').encode())


@behaviour("nul-header")
def nul_header(visit: Visit) -> None:
    visit.answer(page(), headers="X-Empty: a\x00b\r\n")


@behaviour("links")
def links(visit: Visit) -> None:
    found = [
        "javascript:alert(1)", "data:text/html,<p>x", "file:///etc/passwd", "ftp://links.bad.test/x", "tg://resolve?domain=x",
        "http://under_score.bad.test/after", "http://" + ".".join(["a"] * 80) + ".bad.test/", "http://" + "b" * 70 + ".bad.test/",
        "http://[::1/", "http://links.bad.test:99999/", "http://links.bad.test:-1/", "http://user:pass@links.bad.test/",
        "/tab\tand\nline", "/bell\x07", "/" + "long" * 25_000, "http://例\x00子.bad.test/", "http://%00.bad.test/", "//", "http://",
        "http:///after", "http://..bad.test/", "http://-dash-.bad.test/after", "/%", "/%zz", "/\ud7ff", "\\\\links.bad.test\\x",
    ]  # fmt: skip
    visit.page("".join(f'<a href="{link}">链接</a>' for link in found))


@behaviour("frames")
def frames(visit: Visit) -> None:
    visit.page('<iframe src="/after"></iframe>' * 1000)


# -- headers and framing -------------------------------------------------------------------------------------------------

BODY = page().encode()
SIZE = str(len(BODY))
RAW = {
    "long-header": f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX-Long: {'x' * 65_536}\r\nContent-Length: {SIZE}\r\n\r\n",
    "huge-header": f"HTTP/1.1 200 OK\r\nX-Long: {'x' * 4_000_000}\r\nContent-Length: {SIZE}\r\n\r\n",
    "many-headers": "HTTP/1.1 200 OK\r\n" + "".join(f"X-{n}: {n}\r\n" for n in range(10_000)) + f"Content-Length: {SIZE}\r\n\r\n",
    "cookies": "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"
    + "".join(f"Set-Cookie: c{n}={'y' * 40}\r\n" for n in range(2_000)) + f"Content-Length: {SIZE}\r\n\r\n",
    "two-lengths": f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {SIZE}\r\nContent-Length: 7\r\n\r\n",
    "length-and-chunks": f"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n{len(BODY):x}\r\n",
    "negative-length": "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: -5\r\n\r\n",
    "huge-length": f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {'9' * 40}\r\n\r\n",
    "worded-length": "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: ten\r\n\r\n",
    "torn-chunks": f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n{len(BODY) + 50:x}\r\n",
    "bad-chunks": "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "http09": "",
    "bad-status": "HTTP/1.1 OK 200\r\nContent-Type: text/html\r\n\r\n",
    "not-http": "SSH-2.0-OpenSSH_9.9\r\n",
    "status-999": f"HTTP/1.1 999 Denied\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {SIZE}\r\n\r\n",
}  # fmt: skip


@behaviour(*RAW)
def raw(visit: Visit) -> None:
    visit.send(RAW[name_of(visit.host)].encode() + BODY)


@behaviour("continues")
def continues(visit: Visit) -> None:
    while visit.pause(0.01):
        visit.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")


@behaviour("retry-after")
def retry_after(visit: Visit) -> None:
    visit.answer(page(), status="503 Busy", headers=f"Retry-After: {366 * 86_400}\r\n")


# -- robots.txt ----------------------------------------------------------------------------------------------------------

ROBOTS: dict[str, Behaviour] = {
    "robots-endless": lambda visit: (visit.head("Connection: close\r\n"), flood(visit))[0],
    "robots-big": lambda visit: visit.answer("User-agent: *\nDisallow: /no\n" + "# x\n" * 1_250_000, "text/plain"),
    "robots-html": lambda visit: visit.answer(page()),
    "robots-redirects": redirects,
    "robots-silent": silent,
    "robots-503": lambda visit: visit.answer("", "text/plain", "503 Busy"),
    "robots-403": lambda visit: visit.answer("User-agent: *\nDisallow: /", "text/plain", "403 Forbidden"),
}


@behaviour(*ROBOTS)
def behind_robots(visit: Visit) -> None:
    visit.page()


# -- scripts: for a browser ----------------------------------------------------------------------------------------------

SCRIPTS = {
    "spin": "for(;;){}",
    "alerts": "for(;;){alert(1);confirm(2);prompt(3)}",
    "windows": "for(;;)window.open('/after')",
    "memory": "const all=[];for(;;)all.push(new Array(100000).fill(Math.random()))",
    "jumps": "location.href='/'+Math.random()",
    "fragments": "for(let n=0;;n++)location.hash=n",
}


@behaviour(*SCRIPTS)
def script(visit: Visit) -> None:
    visit.answer(f"<html><body><script>{SCRIPTS[name_of(visit.host)]}</script></body></html>")


@behaviour("refresh-download")
def refresh_download(visit: Visit) -> None:
    if visit.path == "/file":
        visit.answer(
            b"MZ" * 5000, "application/octet-stream", headers='Content-Disposition: attachment; filename="a.exe"\r\n'
        )
    else:
        visit.answer('<meta http-equiv="refresh" content="0;url=/file"><body></body>')


@behaviour("held")
def held(visit: Visit) -> None:
    """A page whose picture takes its time, so that a browser can be caught in the middle of it."""
    if visit.path == "/picture":
        visit.pause(3)
        visit.answer(b"", "image/png")
    else:
        visit.answer('<body><img src="/picture"><script>document.body.append("已显示")</script></body>')


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
            redirects(visit)
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
