"""Evidence on disk: WARC files others can check, bytes as they were sent, and nothing lost to a crash but its last word."""

from __future__ import annotations

import argparse
import gzip
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from warcio.archiveiterator import ArchiveIterator
from warcio.checker import Checker

from crawler import archive as archive_module
from crawler.archive import Archive, Exchange, mend
from data.archive import EvidenceError, read_piece, read_record
from data.records import Digests, Piece

AT = datetime(2025, 6, 1, 2, 3, 4, 567890, UTC)
FACTS = {"software": "takedown test", "format": "WARC/1.1"}
RECEIVED = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Set-Cookie", "a=1"),
    ("Set-Cookie", "b=2"),
    ("Content-Encoding", "gzip"),
    ("X-Note", "中文".encode().decode("latin-1")),
    ("Transfer-Encoding", "chunked"),
)
PACKED = gzip.compress("<p>收U价 7.12</p>".encode(), mtime=0)


def exchange(archive: Archive, url: str = "http://a.test/x?y=1", body: bytes = PACKED) -> Piece:
    sent = (("Host", "a.test"), ("Accept", "*/*"))
    return archive.write_exchange(Exchange(url, "GET", sent, 200, "OK", "1.1", RECEIVED, body, "192.0.2.7", AT))


def files(home: Path) -> list[Path]:
    return sorted((home / "archives").glob("*/*.warc.gz"))


def check(*paths: Path) -> int:
    """The exit value of ``warcio check``."""
    exit_value: int = Checker(argparse.Namespace(inputs=[str(path) for path in paths], verbose=False)).process_all()
    return exit_value


def records(path: Path) -> list[tuple[str, str, bytes]]:
    """``(type, URI, block without HTTP headers)`` of every record."""
    with path.open("rb") as stream:
        return [
            (record.rec_type, record.rec_headers.get_header("WARC-Target-URI"), record.raw_stream.read())
            for record in ArchiveIterator(stream)
        ]


def test_an_exchange_and_its_views_are_kept_and_check(tmp_path: Path) -> None:
    archive = Archive(tmp_path, "run", FACTS)
    pieces = [
        exchange(archive),
        archive.write_view("dom", "http://a.test/x", b"<html>", "text/html", AT),
        archive.write_view("screenshot", "http://a.test/x", b"\x89PNG", "image/png", AT),
        exchange(archive, body=b""),
    ]
    archive.close()
    (path,) = files(tmp_path)
    assert check(path) == 0
    assert [kind for kind, _, _ in records(path)] == [
        "warcinfo", "response", "request", "conversion", "resource", "response", "request",
    ]  # fmt: skip
    contents = [PACKED, b"<html>", b"\x89PNG", b""]
    assert [read_piece(tmp_path, piece) for piece in pieces] == contents
    for piece, content in zip(pieces, contents, strict=True):
        assert (piece.size, piece.sha256) == (len(content), Digests.of(content).sha256)
        assert piece.file == "archives/run/run-00001.warc.gz"
        assert len(read_record(tmp_path, piece)) == piece.length
        assert gzip.decompress(read_record(tmp_path, piece)).startswith(b"WARC/1.1\r\n")


def test_what_was_sent_is_kept_byte_by_byte(tmp_path: Path) -> None:
    archive = Archive(tmp_path, "run", FACTS)
    piece = exchange(archive)
    archive.close()
    record = gzip.decompress(read_record(tmp_path, piece))
    assert b"WARC-Date: 2025-06-01T02:03:04.567890Z\r\n" in record
    assert b"WARC-IP-Address: 192.0.2.7\r\n" in record
    assert b"HTTP/1.1 200 OK\r\n" in record
    assert b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n" in record
    assert b"X-Note: \xe4\xb8\xad\xe6\x96\x87\r\n" in record
    # The body is kept as it was encoded, but no longer in chunks; a header that says otherwise would break readers.
    assert b"\r\nX-Archive-Orig-Transfer-Encoding: chunked\r\n" in record
    assert b"\r\nTransfer-Encoding:" not in record
    with (tmp_path / piece.file).open("rb") as stream:
        answers = [r for r in ArchiveIterator(stream) if r.rec_type == "response" and r.content_stream().read()]
    assert len(answers) == 1


def test_an_altered_byte_is_noticed(tmp_path: Path) -> None:
    archive = Archive(tmp_path, "run", FACTS)
    piece = exchange(archive, body=b"x" * 5000)
    archive.close()
    path = tmp_path / piece.file
    content = bytearray(path.read_bytes())
    content[piece.offset + piece.length // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(EvidenceError, match=str(piece.offset)):
        read_piece(tmp_path, piece)


def test_a_full_file_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_module, "ROTATE_BYTES", 2000)
    archive = Archive(tmp_path, "run", FACTS)
    pieces = [exchange(archive, f"http://a.test/{n}", bytes([n]) * 3000) for n in range(4)]
    archive.close()
    assert len(files(tmp_path)) > 1
    assert check(*files(tmp_path)) == 0
    assert [read_piece(tmp_path, piece) for piece in pieces] == [bytes([n]) * 3000 for n in range(4)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Piece]]:
    """A file of several records, closed properly."""
    home = tmp_path_factory.mktemp("whole")
    archive = Archive(home, "run", FACTS)
    pieces = [exchange(archive, f"http://a.test/{n}", bytes(range(256)) * (n * 40)) for n in range(4)]
    archive.close()
    return files(home)[0], pieces


def _is_record_end(whole: Path, cut: int) -> bool:
    with whole.open("rb") as stream:
        records = ArchiveIterator(stream)
        return cut in [records.get_record_offset() for _ in records] or cut == whole.stat().st_size


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1), rubbish=st.binary(max_size=40) | st.just(b"\x1f\x8b\x08\x00half"))
def test_a_half_written_tail_goes_and_all_before_it_stays(
    whole: tuple[Path, list[Piece]], tmp_path: Path, share: float, rubbish: bytes
) -> None:
    path, pieces = whole
    home = tmp_path / "home"
    damaged = home / pieces[0].file
    shutil.rmtree(home, ignore_errors=True)
    damaged.parent.mkdir(parents=True)
    content = path.read_bytes()
    cut = round(len(content) * share)
    damaged.write_bytes(content[:cut] + rubbish)
    removed = mend(damaged)
    left = cut + len(rubbish) - removed
    survived = [piece for piece in pieces if piece.offset + piece.length <= cut]
    if not damaged.exists():
        assert not survived
        assert removed == cut + len(rubbish)
        return
    assert damaged.stat().st_size == left
    assert damaged.read_bytes() == content[:left]
    assert left <= cut
    assert check(damaged) == 0
    assert _is_record_end(path, left)
    for piece in survived:
        assert read_piece(home, piece) == read_piece(path.parents[2], piece)


def test_a_sound_file_is_left_alone(whole: tuple[Path, list[Piece]]) -> None:
    before = whole[0].read_bytes()
    assert mend(whole[0]) == 0
    assert whole[0].read_bytes() == before


def test_a_resumed_run_mends_and_goes_on_in_a_new_file(tmp_path: Path) -> None:
    first = Archive(tmp_path, "run", FACTS)
    kept = exchange(first)
    lost = exchange(first, body=b"lost" * 1000)
    first.sync()
    path = files(tmp_path)[0]
    # As kill -9 leaves it: no close, the last record half on disk.
    with path.open("r+b") as stream:
        stream.truncate(lost.offset + lost.length // 2)
    second = Archive(tmp_path, "run", FACTS)
    added = exchange(second, body=b"again")
    second.close()
    first.close()
    assert [p.name for p in files(tmp_path)] == ["run-00001.warc.gz", "run-00002.warc.gz"]
    assert check(*files(tmp_path)) == 0
    assert (read_piece(tmp_path, kept), read_piece(tmp_path, added)) == (PACKED, b"again")


def test_a_run_killed_before_its_first_record_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "archives" / "run"
    folder.mkdir(parents=True)
    (folder / "run-00001.warc.gz").write_bytes(b"\x1f\x8b\x08")
    archive = Archive(tmp_path, "run", FACTS)
    assert files(tmp_path) == []
    exchange(archive)
    archive.close()
    assert check(*files(tmp_path)) == 0
