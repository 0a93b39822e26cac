"""Android packages: who they say they are and who signed them; anything else is named, and runs nothing."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.apk import BadPackage, read_apk
from data.facts import ROOT
from data.records import Kind

SITES = ROOT / "demoweb" / "sites"
EXCHANGE = (SITES / "dl.hxex.test/files/hxex-2.6.1.apk").read_bytes()
GAME = (SITES / "shop.jianxia.test/files/jianxia-1.8.0.apk").read_bytes()
URL = "http://dl.test/app.apk"


@pytest.mark.parametrize(
    ("content", "package", "label", "version"),
    [(EXCHANGE, "test.hxex.app", "恒鑫交易所", "2.6.1"), (GAME, "test.jianxia.game", "剑侠云川", "1.8.0")],
)
def test_a_package_says_who_it_is(content: bytes, package: str, label: str, version: str) -> None:
    target = read_apk(content, URL)
    assert (target.kind, target.identity) == (Kind.APP, f"android:{package}")
    assert target.title == target.facts["label"] == label
    assert target.facts["version"].startswith(version)
    assert target.facts["download"] == URL
    assert target.facts["sha256"] == hashlib.sha256(content).hexdigest()
    assert re.fullmatch(r"[0-9a-f]{64}", target.facts["signer_sha256"])


def test_two_signers_are_told_apart() -> None:
    assert read_apk(EXCHANGE, URL).facts["signer_sha256"] != read_apk(GAME, URL).facts["signer_sha256"]


def zipped(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        "这不是安装包".encode(),
        EXCHANGE[: len(EXCHANGE) // 2],
        EXCHANGE[:4],
        zipped(),
        zipped(**{"word/document.xml": b"<x/>"}),
        zipped(**{"AndroidManifest.xml": b"<manifest package='a.b'/>"}),
        zipped(**{"AndroidManifest.xml": b"\x03\x00\x08\x00" + b"\xff" * 64}),
    ],
)
def test_what_cannot_be_read_is_named(content: bytes) -> None:
    with pytest.raises(BadPackage, match=re.escape(URL)):
        read_apk(content, URL)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_damaged_package_is_read_or_named(data: st.DataObject) -> None:
    content = bytearray(EXCHANGE)
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=6)):
        content[place] ^= data.draw(st.integers(1, 255))
    try:
        assert read_apk(bytes(content), URL).identity.startswith("android:")
    except BadPackage as error:
        assert URL in str(error)


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    read_apk(EXCHANGE, URL)
    with pytest.raises(BadPackage):
        read_apk(b"PK", URL)
    assert list(tmp_path.iterdir()) == []


def test_a_package_is_read_from_its_file_as_from_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "large.part"
    path.write_bytes(EXCHANGE)
    assert read_apk(path, URL) == read_apk(EXCHANGE, URL)
    assert path.exists()
