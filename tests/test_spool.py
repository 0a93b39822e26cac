"""A body on its way: small ones in memory, large ones on disk, and nothing left behind."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from crawler import spool
from crawler.archive import Archive, Exchange
from crawler.spool import Body, opened
from data.archive import read_piece
from data.records import Digests


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 1000])
def test_a_body_is_whole_wherever_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(spool, "SPOOL_BYTES", 100)
    sent = bytes(n % 251 for n in range(size))
    body = Body(tmp_path)
    for start in range(0, size, 33):
        assert body.add(sent[start : start + 33], 1000)
    whole = body.finish()
    assert isinstance(whole, Path) == (size > 100) == bool(list(tmp_path.iterdir()))
    with opened(whole) as stream:
        assert stream.read() == sent
    assert body.startswith(sent[:20])
    body.discard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit", [50, 150])
def test_a_body_ends_at_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(spool, "SPOOL_BYTES", 100)
    body = Body(tmp_path)
    fits = [body.add(b"x" * 40, limit) for _ in range(5)]
    assert fits == [(n + 1) * 40 <= limit for n in range(5)]
    with opened(body.finish()) as stream:
        assert stream.read() == b"x" * limit == b"x" * body.size


def test_a_file_is_archived_as_bytes_are_and_what_a_crash_left_is_swept(tmp_path: Path) -> None:
    content = bytes(range(256)) * 9000
    left = tmp_path / "archives" / "run" / f"crashed{spool.SUFFIX}"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    archive = Archive(tmp_path, "run", {})
    assert not left.exists()
    large = tmp_path / "large"
    large.write_bytes(content)
    sent = (("Host", "a.test"),)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    pieces = [
        archive.write_exchange(Exchange("http://a.test/", "GET", sent, 200, "OK", "1.1", (), body, "", at))
        for body in (content, large)
    ]
    archive.close()
    assert [read_piece(tmp_path, piece) for piece in pieces] == [content, content]
    assert pieces[0].sm3 == pieces[1].sm3 == Digests.of(content).sm3
    assert pieces[0].size == pieces[1].size == len(content)
