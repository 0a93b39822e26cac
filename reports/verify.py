"""Is a package what it was when it was made? Standard library only; needs nothing but the package.

Covered is the content: every file by size, SHA-256 and SM3 in ``manifest.json``, which ``manifest.sha256`` pins. Not
covered is what a container adds (times, comments). Whoever rewrites the manifest and its pin together is found out
only by the digest the issuer keeps in its register. Nothing is extracted; memory use does not grow with the package.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Protocol

FORMAT = "takedown-package/1"
MANIFEST, PIN = "manifest.json", "manifest.sha256"
MANIFEST_LIMIT = 256 << 20
CHUNK = 1 << 20
_HEX64 = re.compile(r"[0-9a-f]{64}")
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    OSError,
    EOFError,
    RuntimeError,  # encrypted; includes NotImplementedError, an unknown compression
    ValueError,
    OverflowError,
)


class NotAPackage(Exception):
    """What was given is not a referral package; the message says what is missing."""


def verify(path: Path) -> list[str]:
    """What was altered in the package (a folder or a zip), a sentence each; empty when it is intact.

    Raises ``NotAPackage`` when there is no readable manifest of a known format.
    """
    if path.is_dir():
        return _findings(_Folder(path))
    try:
        with path.open("rb") as stream:
            magic = stream.read(2)
    except OSError as error:
        raise NotAPackage(f"{path} 无法读取（{error.strerror}）；请给出资料包的文件夹或 zip 文件。") from error
    try:
        archive = zipfile.ZipFile(path)
    except _UNREADABLE as error:
        if magic == b"PK":
            return [f"压缩包已截断或损坏，无法打开（{error}）。"]
        raise NotAPackage(f"{path} 不是资料包；请给出资料包的文件夹或 zip 文件。") from error
    with archive:
        if min((info.header_offset for info in archive.infolist()), default=0):
            # Cut short, a package ends within a document that is a zip itself, and that is what was opened.
            return ["压缩包开头有不属于它的内容，可能已被截断或拼接，请勿解压。"]
        return _findings(_Archive(archive))


def pin(manifest: bytes) -> bytes:
    """The content of ``manifest.sha256``, in the form ``sha256sum -c`` reads."""
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()


def canonical(manifest: Mapping[str, Any]) -> bytes:
    """The one way a manifest is written: sorted keys, two spaces, UTF-8. Raises ``ValueError`` for NaN and the like."""
    text = json.dumps(manifest, ensure_ascii=False, sort_keys=True, indent=2, allow_nan=False)
    return f"{text}\n".encode()


def digests(stream: IO[bytes], size: int) -> tuple[int, str, str]:
    """Bytes read, SHA-256 and SM3 of a stream that should hold ``size`` bytes; reads at most one byte more."""
    sha256, sm3, read = hashlib.sha256(), hashlib.new("sm3"), 0
    while chunk := stream.read(min(CHUNK, size + 1 - read)):
        sha256.update(chunk)
        sm3.update(chunk)
        read += len(chunk)
    return read, sha256.hexdigest(), sm3.hexdigest()


class _Container(Protocol):
    """Files by name with their sizes, the folders between them, and what is wrong with the container itself."""

    sizes: dict[str, int]
    folders: set[str]
    faults: list[str]

    def open(self, name: str) -> IO[bytes]: ...


class _Folder:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.sizes: dict[str, int] = {}
        self.folders: set[str] = set()
        self.faults: list[str] = []
        pending = [""]
        while pending:
            place = pending.pop()
            with os.scandir(root / place) as entries:
                for entry in entries:
                    name = f"{place}{entry.name}"
                    mode = entry.stat(follow_symlinks=False).st_mode
                    if stat.S_ISDIR(mode):
                        self.folders.add(name)
                        pending.append(f"{name}/")
                    elif stat.S_ISREG(mode):
                        self.sizes[name] = entry.stat(follow_symlinks=False).st_size
                    else:
                        self.faults.append(f"{_shown(name)} 是链接或特殊文件，资料包中不应有。")

    def open(self, name: str) -> IO[bytes]:
        return (self.root / name).open("rb")


class _Archive:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        self.sizes: dict[str, int] = {}
        self.folders: set[str] = set()
        self.faults: list[str] = []
        for info in archive.infolist():
            name = info.orig_filename
            kind = stat.S_IFMT(info.external_attr >> 16)
            if name.endswith("/") and info.file_size == 0 and kind in (0, stat.S_IFDIR) and not _climbs(name[:-1]):
                self.folders.add(name[:-1])
            elif _climbs(name) or name != info.filename:
                self.faults.append(f"{_shown(name)} 的路径指向资料包之外或不合规范，请勿解压。")
            elif kind not in (0, stat.S_IFREG):
                self.faults.append(f"{_shown(name)} 是链接或特殊文件，资料包中不应有，请勿解压。")
            elif name in self.sizes:
                self.faults.append(f"{_shown(name)} 在压缩包内重复出现，请勿解压。")
            else:
                self.sizes[name] = info.file_size

    def open(self, name: str) -> IO[bytes]:
        info = self.archive.getinfo(name)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise zipfile.BadZipFile("未知压缩方式")
        return self.archive.open(info)


def _findings(package: _Container) -> list[str]:
    content, manifest, listed = _manifest(package)
    findings = list(package.faults)
    if _read(package, PIN, 1000) != pin(content):
        findings.append(f"{MANIFEST} 与 {PIN} 所记的摘要值不符，或 {PIN} 缺失、被改动。")
    if canonical(manifest) != content:
        findings.append(f"{MANIFEST} 的写法被改动。")
    entries: dict[str, dict[str, Any]] = {}
    for entry in listed:
        name = entry["path"]
        if name in entries:
            findings.append(f"{_shown(name)} 在清单中列了两次。")
        elif name in (MANIFEST, PIN) or _climbs(name):
            findings.append(f"清单列入了不应有的路径 {_shown(name)}。")
        else:
            entries[name] = entry
    present = package.sizes.keys() - {MANIFEST, PIN}
    findings += [f"{_shown(name)} 缺失。" for name in sorted(entries.keys() - present)]
    findings += [f"{_shown(name)} 是多出的文件。" for name in sorted(present - entries.keys())]
    needed = {name[:end] for name in entries for end in range(len(name)) if name[end] == "/"}
    findings += [f"{_shown(name)} 是多出的文件夹。" for name in sorted(package.folders - needed)]
    for name in sorted(entries.keys() & present):
        findings += _altered(package, name, entries[name])
    return findings


def _altered(package: _Container, name: str, entry: dict[str, Any]) -> list[str]:
    size = package.sizes[name]
    if size != entry["size"]:
        return [f"{_shown(name)} 应为{entry['size']}字节，现为{size}字节。"]
    try:
        with package.open(name) as stream:
            read, sha256, sm3 = digests(stream, size)
    except _UNREADABLE as error:
        return [f"{_shown(name)} 无法读取（{error}）。"]
    if read != size:
        return [f"{_shown(name)} 应为{size}字节，实际内容不是。"]
    wrong = [
        kind for kind, found in (("SHA-256", sha256), ("SM3", sm3)) if found != entry[kind.lower().replace("-", "")]
    ]
    return [f"{_shown(name)} 的{'、'.join(wrong)}摘要值不符，内容或清单被改动。"] if wrong else []


def _manifest(package: _Container) -> tuple[bytes, dict[str, Any], list[dict[str, Any]]]:
    content = _read(package, MANIFEST, MANIFEST_LIMIT)
    if content is None:
        raise NotAPackage(f"其中没有可读的 {MANIFEST}，不是资料包。")
    try:
        manifest = json.loads(content, parse_constant=_refuse)
        canonical(manifest)
    except (ValueError, RecursionError) as error:
        raise NotAPackage(f"{MANIFEST} 不是完好的 JSON（{error}）。") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise NotAPackage(f"{MANIFEST} 不是 {FORMAT} 格式，可能由其他程序或较新版本制作。")
    listed = manifest.get("files")
    if not isinstance(listed, list) or not all(_is_entry(entry) for entry in listed):
        raise NotAPackage(f"{MANIFEST} 的文件清单不完整。")
    return content, manifest, listed


def _is_entry(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and entry.keys() == {"path", "size", "sha256", "sm3"}
        and isinstance(entry["path"], str)
        and type(entry["size"]) is int
        and entry["size"] >= 0
        and all(isinstance(entry[kind], str) and _HEX64.fullmatch(entry[kind]) for kind in ("sha256", "sm3"))
    )


def _read(package: _Container, name: str, limit: int) -> bytes | None:
    """The whole of a small file, or ``None`` when it is missing, larger than ``limit`` bytes or unreadable."""
    size = package.sizes.get(name, limit + 1)
    if size > limit:
        return None
    try:
        with package.open(name) as stream:
            return stream.read(size + 1)
    except _UNREADABLE:
        return None


def _climbs(name: str) -> bool:
    """Absolute, with a drive or stream (``C:``), a backslash, a control character, or a part that is empty, . or .."""
    return any(part in ("", ".", "..") for part in name.split("/")) or bool(re.search(r"[\\:\x00-\x1f\x7f]", name))


def _shown(name: str) -> str:
    """A hostile name as it may be printed."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in name[:200])


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
