"""Archives for other people's readers: a WACZ package made of WARC files (1.1.1)."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cdxj_indexer import bufferiter
from wacz.main import main as py_wacz

from crawler.cdxj import PackagingError, check, whole


@dataclass(frozen=True, slots=True)
class ArchivedPage:
    """A page that a reader of the package can start from: ``at`` is when its response record was written for."""

    url: str
    at: datetime
    title: str


def write_wacz(warcs: Sequence[Path], out: Path, pages: Iterable[ArchivedPage], title: str) -> Path:
    """Package WARC files, an index and a list of pages. Replaces ``out`` only when it is whole.

    Raises ``PackagingError`` when a file is missing or damaged, or a page is not among the archived ones.
    """
    check(warcs)
    with tempfile.TemporaryDirectory(prefix="wacz-") as folder, whole(out) as part:
        listed = Path(folder) / "pages.jsonl"
        wanted = _write_pages(listed, pages, title)
        options = [f"--title={title}", f"--pages={listed}", "--copy-pages", "--hash-type=sha256"]
        said = io.StringIO()
        with contextlib.redirect_stdout(said), _as_kept():
            result = py_wacz(["create", f"--output={part}", *options, "--", *map(str, warcs)])
        if result != 0:
            raise PackagingError(f"WACZ 未能生成：{said.getvalue().strip()[-500:]}。")
        missing = wanted - set(_indexed(part))
        if missing:
            url, stamp = min(missing)
            raise PackagingError(
                f"归档中没有 {url}（{stamp}）等 {len(missing)} 个页面；页面的时间应与其 response 记录一致。"
            )
    return out


@contextlib.contextmanager
def _as_kept() -> Iterator[None]:
    """The packager would unpack every body that it indexes, bombs and damaged ones included (and warcio 1.8 cannot
    open a brotli stream with brotli 1.2). Their bytes as kept will do."""

    def buffer(record: Any) -> None:
        record.buffered_stream = tempfile.SpooledTemporaryFile(1 << 16)  # noqa: SIM115 - the packager closes it
        shutil.copyfileobj(record.raw_stream, record.buffered_stream)
        record.buffered_stream.seek(0)

    unpacking = bufferiter.buffer_record_content
    bufferiter.buffer_record_content = buffer
    try:
        yield
    finally:
        bufferiter.buffer_record_content = unpacking


def _write_pages(path: Path, pages: Iterable[ArchivedPage], title: str) -> set[tuple[str, str]]:
    """The page list, one JSON object a line after a header; returns the URL and 14-digit time of each page."""
    wanted = set()
    with path.open("w", encoding="utf-8") as stream:
        _line(stream, {"format": "json-pages-1.0", "id": "pages", "title": title})
        for number, page in enumerate(pages, 1):
            at = page.at.astimezone(UTC)
            wanted.add((page.url, at.strftime("%Y%m%d%H%M%S")))
            ts = at.strftime("%Y-%m-%dT%H:%M:%SZ")
            _line(stream, {"id": f"page-{number}", "url": page.url, "ts": ts, "title": page.title or page.url})
    return wanted


def _line(stream: io.TextIOBase, content: dict[str, Any]) -> None:
    stream.write(json.dumps(content) + "\n")


def _indexed(package: Path) -> Iterator[tuple[str, str]]:
    """The URL and 14-digit time of everything that can be replayed from a package."""
    with (
        zipfile.ZipFile(package) as whole,
        whole.open("indexes/index.cdx.gz") as packed,
        gzip.open(packed, "rt", encoding="utf-8") as lines,
    ):
        for line in lines:
            _, stamp, entry = line.split(" ", 2)
            yield json.loads(entry)["url"], stamp
