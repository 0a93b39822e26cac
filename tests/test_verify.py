"""The verifier: whatever is done to a package is found, and nothing hostile in it does harm."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packages_home import ISSUED, ISSUER, Home, Subject

from reports import NotAPackage, refer, verify
from reports.verify import MANIFEST, PIN, canonical, pin

LISTED = "evidence/0001-www.hxex.test/01/text.txt"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An intact package's folder; its zip lies beside it."""
    root = tmp_path_factory.mktemp("verify")
    home = Home(root / "var")
    home.approved(Subject("www.hxex.test"))
    (referral,) = refer(home.store, home.path, root / "out", ISSUER, authority=None, on=ISSUED)
    home.store.close()
    return Path(referral.package)


@contextmanager
def copied(package: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(shutil.copytree(package, Path(folder) / "package"))


def files(package: Path) -> list[Path]:
    return sorted(path for path in package.rglob("*") if path.is_file())


def entries(package: Path) -> list[tuple[zipfile.ZipInfo, bytes]]:
    with zipfile.ZipFile(archive_of(package)) as archive:
        return [(info, archive.read(info)) for info in archive.infolist()]


def archive_of(package: Path) -> Path:
    return package.with_name(f"{package.name}.zip")


def zipped(path: Path, members: list[tuple[zipfile.ZipInfo, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for info, content in members:
            archive.writestr(info, content)
    return path


def rewritten(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """The package with another manifest and a pin that fits it."""
    manifest = json.loads((folder / MANIFEST).read_bytes())
    change(manifest)
    content = canonical(manifest)
    (folder / MANIFEST).write_bytes(content)
    (folder / PIN).write_bytes(pin(content))
    return folder


# -- everything that is done to a folder ---------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_change_of_a_folder_is_found(package: Path, data: st.DataObject) -> None:
    with copied(package) as folder:
        path = data.draw(st.sampled_from(files(folder)))
        content = path.read_bytes()
        change = data.draw(st.sampled_from(["flip", "remove", "add", "rename", "truncate", "extend", "swap", "link"]))
        place = data.draw(st.integers(0, len(content) - 1))
        if change == "flip":
            flipped = content[place] ^ data.draw(st.integers(1, 255))
            path.write_bytes(content[:place] + bytes([flipped]) + content[place + 1 :])
        elif change == "remove":
            path.unlink()
        elif change == "add":
            path.with_name(f"{path.name}.bak").write_bytes(b"")
        elif change == "rename":
            path.rename(path.with_name(f"x{path.name}"))
        elif change == "truncate":
            path.write_bytes(content[:place])
        elif change == "extend":
            path.write_bytes(content + b"\0")
        elif change == "swap":
            other = next(p for p in files(folder) if p.read_bytes() != content)
            path.write_bytes(other.read_bytes())
            other.write_bytes(content)
        else:
            path.rename(folder.parent / "elsewhere")
            path.symlink_to(folder.parent / "elsewhere")
        assert found(folder)


def found(path: Path) -> bool:
    try:
        return bool(verify(path))
    except NotAPackage:
        return True


def test_an_intact_package_stays_intact_however_it_is_carried(package: Path, tmp_path: Path) -> None:
    assert verify(package) == []
    assert verify(archive_of(package)) == []
    again = Path(shutil.make_archive(str(tmp_path / "again"), "zip", package))
    assert verify(again) == []


def test_findings_name_the_file(package: Path) -> None:
    with copied(package) as folder:
        (folder / LISTED).write_bytes(b"")
        (folder / "list.csv").unlink()
        (folder / "extra.exe").write_bytes(b"MZ")
        (folder / "empty").mkdir()
        text = "\n".join(verify(folder))
    for said in (f"{LISTED} 应为", "list.csv 缺失", "extra.exe 是多出的文件", "empty 是多出的文件夹"):
        assert said in text


def test_special_files_are_named_and_never_opened(package: Path) -> None:
    with copied(package) as folder:
        (folder / LISTED).unlink()
        os.mkfifo(folder / LISTED)
        (folder / "evidence" / "up").symlink_to("/")
        assert sum("链接或特殊文件" in finding for finding in verify(folder)) == 2


# -- everything that is done to a zip ------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_flipped_byte_of_a_zip_is_found_or_changes_no_content(package: Path, data: st.DataObject) -> None:
    original = archive_of(package).read_bytes()
    place = data.draw(st.integers(0, len(original) - 1))
    flipped = original[place] ^ data.draw(st.integers(1, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p.zip"
        path.write_bytes(original[:place] + bytes([flipped]) + original[place + 1 :])
        if not found(path):
            with zipfile.ZipFile(path) as archive:
                held = [(name, archive.read(name)) for name in archive.namelist()]
            assert held == [(info.filename, content) for info, content in entries(package)]


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_truncated_zip_is_found(package: Path, data: st.DataObject) -> None:
    original = archive_of(package).read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p.zip"
        path.write_bytes(original[: data.draw(st.integers(2, len(original) - 1))])
        assert verify(path)


CLIMBING = ["../x", "a/../../x", "/etc/x", "C:\\x", "C:x", "a\\..\\x", "..", "./x", "a//x", "x:stream", "\\\\host\\x"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_every_change_of_a_zips_entries_is_found(package: Path, data: st.DataObject) -> None:
    members = entries(package)
    place = data.draw(st.integers(0, len(members) - 1))
    info, content = members[place]
    change = data.draw(st.sampled_from(["remove", "rename", "alter", "duplicate", "climb", "symlink", "reorder"]))
    if change == "remove":
        del members[place]
    elif change == "rename":
        members[place] = (zipfile.ZipInfo(f"{info.filename}x"), content)
    elif change == "alter":
        members[place] = (info, content + b"\n")
    elif change == "duplicate":
        members.append((zipfile.ZipInfo(info.filename), data.draw(st.sampled_from([content, b""]))))
    elif change == "climb":
        members.append((zipfile.ZipInfo(data.draw(st.sampled_from(CLIMBING))), b"x"))
    elif change == "symlink":
        link = zipfile.ZipInfo(info.filename)
        link.create_system, link.external_attr = 3, 0o120777 << 16
        members[place] = (link, content)
    else:
        members.reverse()
    with tempfile.TemporaryDirectory() as folder:
        path = zipped(Path(folder) / "p.zip", members)
        assert found(path) is (change != "reorder")  # the order of entries is no content


def test_a_name_that_ends_early_is_found(package: Path, tmp_path: Path) -> None:
    path = tmp_path / "p.zip"
    content = archive_of(package).read_bytes().replace(b"list.csv", b"list\0csv")
    path.write_bytes(content)
    assert any("list\\x00csv" in finding for finding in verify(path))


# -- manifests that lie --------------------------------------------------------------------------------------------


def test_a_file_listed_twice_is_found(package: Path) -> None:
    with copied(package) as folder:
        rewritten(folder, lambda manifest: manifest["files"].append(manifest["files"][0]))
        assert any("列了两次" in finding for finding in verify(folder))


@pytest.mark.parametrize("name", [*CLIMBING, MANIFEST, PIN])
def test_a_listed_path_that_climbs_out_is_found_and_not_followed(package: Path, name: str) -> None:
    with copied(package) as folder:
        (folder.parent / "x").write_bytes(b"secret")
        rewritten(folder, lambda manifest: manifest["files"].append({**manifest["files"][0], "path": name}))
        assert any("不应有的路径" in finding for finding in verify(folder))


@pytest.mark.parametrize("kind", ["sha256", "sm3"])
def test_each_digest_counts_by_itself(package: Path, kind: str) -> None:
    with copied(package) as folder:
        rewritten(folder, lambda manifest: manifest["files"][0].update({kind: "0" * 64}))
        assert verify(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"format": "another/1", "files": []}',
        b'{"format": "takedown-package/1"}',
        b'{"format": "takedown-package/1", "files": [{"path": "a"}]}',
        b'{"format": "takedown-package/1", "files": [{"path": "a", "size": -1, "sha256": "", "sm3": ""}]}',
        b'{"format": "takedown-package/1", "files": [], "x": NaN}',
        b'{"format": "takedown-package/1", "files": [], "x": "\\ud800"}',
        b"[" * 100_000,
        b"\xff\xfe\x00",
        b"9" * 10_000,
    ],
)
def test_a_manifest_that_is_none_is_not_a_package(package: Path, content: bytes) -> None:
    with copied(package) as folder:
        (folder / MANIFEST).write_bytes(content)
        with pytest.raises(NotAPackage):
            verify(folder)


def test_what_is_no_package_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "folder").mkdir()
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    for name in ("text.txt", "folder", "other.zip", "missing.zip"):
        with pytest.raises(NotAPackage):
            verify(tmp_path / name)


# -- bombs ---------------------------------------------------------------------------------------------------------


def test_a_size_bomb_is_not_unpacked(package: Path, tmp_path: Path) -> None:
    members = [(info, content) for info, content in entries(package) if info.filename != LISTED]
    path = zipped(tmp_path / "p.zip", members)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open(LISTED, "w") as bomb:
        for _ in range(256):
            bomb.write(bytes(1 << 20))
    tracemalloc.start()
    assert any(LISTED in finding for finding in verify(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20


def test_a_large_package_takes_no_more_memory(package: Path) -> None:
    with copied(package) as folder:
        large = folder / LISTED
        with large.open("wb") as stream:
            stream.truncate(64 << 20)
        rewritten(folder, lambda m: next(f for f in m["files"] if f["path"] == LISTED).update(size=64 << 20))
        tracemalloc.start()
        findings = verify(folder)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert len(findings) == 1
    assert "摘要值不符" in findings[0]
    assert peak < 16 << 20


def test_the_verifier_needs_the_standard_library_alone(package: Path, tmp_path: Path) -> None:
    """So that it can travel with a package to a machine that has nothing else."""
    script = Path(shutil.copy(sys.modules["reports.verify"].__file__ or "", tmp_path / "verify.py"))
    program = (
        "import sys; from pathlib import Path; from verify import verify; sys.exit(len(verify(Path(sys.argv[1]))))"
    )
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(script.parent)!r}); {program}"]
    assert subprocess.run([*command, str(package)], check=False).returncode == 0
