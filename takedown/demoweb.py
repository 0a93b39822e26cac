"""The demonstration web on loopback: one folder per host, chosen by the ``Host`` header, with its redirects."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

_REDIRECTS = "_redirects.json"
_CLOAKS = "_cloaks.json"  # path: {"in": words of a User-Agent, "page": what such a visitor is shown instead}
_TYPES = {
    # No charset on HTML: one of the sites says its own (GB18030) in its markup, as many real ones do.
    ".html": "text/html",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".apk": "application/vnd.android.package-archive",
}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, sites: Path) -> None:
        self.sites = sites.resolve()
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, **_TYPES}  # noqa: RUF012
    server: _Server

    def _site(self) -> Path:
        host = (self.headers.get("Host") or "").partition(":")[0].lower()
        site = self.server.sites / host
        return site if host and "/" not in host and ".." not in host and site.is_dir() else self.server.sites / "none"

    def translate_path(self, path: str) -> str:
        self.directory = str(self._site())
        cloaks = self._site() / _CLOAKS
        cloak = json.loads(cloaks.read_text("utf8")).get(urlsplit(path).path) if cloaks.exists() else None
        if cloak and cloak["in"] in (self.headers.get("User-Agent") or ""):
            path = cloak["page"]
        return super().translate_path(path)

    def send_head(self):  # type: ignore[no-untyped-def]  # the base class's own signature is a union of private types
        path = urlsplit(self.path).path
        table = self._site() / _REDIRECTS
        if path.endswith((_REDIRECTS, _CLOAKS)):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        target = json.loads(table.read_text("utf8")).get(path) if table.exists() else None
        if target is None:
            return super().send_head()
        self.send_response(HTTPStatus.FOUND)
        self.send_header("Location", target)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return None

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: the crawl's own log says what was fetched."""


@contextmanager
def serve_sites(sites: Path) -> Iterator[int]:
    """Serve the folder of sites on a free loopback port, which is what the context gives, until the context ends."""
    server = _Server(sites)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
