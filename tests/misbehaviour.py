"""What goes wrong on the hostile web, by the first label of the host. Everything is invented."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable

import brotli
from backports import zstd
from hostile import LAST_SIGHT, ROBOTS, WORDS, Visit, behaviour, name_of, page

TRADITIONAL = "藍江圖書館自習室今日開放，讀者憑借書證入館，可以在二樓閱覽室閱讀報刊，也可以在三樓借還圖書。"
BOMB_BYTES = 96 << 20
TEN_GB = 10 << 30


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


PACKAGE_BYTES = 64 << 20


@behaviour("package")
def package(visit: Visit) -> None:
    """As large as a package may be, and not one that can be read."""
    if visit.path == "/app.apk":
        block = os.urandom(1 << 20)
        visit.head(f"Content-Length: {PACKAGE_BYTES}\r\n")
        visit.send(b"PK\x03\x04" + block[4:])
        for _ in range(PACKAGE_BYTES // len(block) - 1):
            visit.send(block)
    else:
        visit.page()


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

ROBOTS.update(
    {
        "robots-endless": lambda visit: (visit.head("Connection: close\r\n"), flood(visit))[0],
        "robots-big": lambda visit: visit.answer("User-agent: *\nDisallow: /no\n" + "# x\n" * 1_250_000, "text/plain"),
        "robots-html": lambda visit: visit.answer(page()),
        "robots-redirects": redirects,
        "robots-silent": silent,
        "robots-503": lambda visit: visit.answer("", "text/plain", "503 Busy"),
        "robots-403": lambda visit: visit.answer("User-agent: *\nDisallow: /", "text/plain", "403 Forbidden"),
    }
)


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


@behaviour("held", "held-crash")
def held(visit: Visit) -> None:
    """A page whose picture takes its time, so that a browser can be caught in the middle of it."""
    if visit.path == "/picture":
        visit.pause(3)
        visit.answer(b"", "image/png")
    else:
        visit.answer('<body><img src="/picture"><script>document.body.append("已显示")</script></body>')
