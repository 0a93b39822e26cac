"""A package under construction: a folder and the zip of the same files, with a manifest of what both hold."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from reports.plain import SHANGHAI
from reports.verify import CHUNK, FORMAT, MANIFEST, PIN, canonical, pin

_PACKED = frozenset({".gz", ".png", ".docx", ".xlsx"})


class Package:
    """Files are written under ``folder`` and then ``add``-ed: digested and zipped in one pass, in constant memory.

    The zip depends on the files, their order and ``on`` alone, never on this machine's clock, user or umask.
    """

    def __init__(self, folder: Path, archive: Path, on: datetime) -> None:
        folder.mkdir()
        self.folder = folder
        self._zip = zipfile.ZipFile(archive, "x")
        day = on.astimezone(SHANGHAI)
        self._stamp = (day.year, day.month, day.day, day.hour, day.minute, day.second)
        self._files: list[dict[str, Any]] = []

    def __enter__(self) -> Package:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def add(self, name: str) -> None:
        """Take the finished file ``folder/name`` in."""
        size, sha256, sm3 = self._pack(name)
        self._files.append({"path": name, "size": size, "sha256": sha256, "sm3": sm3})

    def seal(self, description: Mapping[str, Any]) -> str:
        """Write the manifest (``description`` and the sorted list of files) and its pin; returns its SHA-256."""
        files = sorted(self._files, key=lambda entry: str(entry["path"]))
        manifest = canonical({"format": FORMAT, **description, "files": files})
        for name, content in ((MANIFEST, manifest), (PIN, pin(manifest))):
            (self.folder / name).write_bytes(content)
            self._pack(name)
        self._zip.close()
        return hashlib.sha256(manifest).hexdigest()

    def _pack(self, name: str) -> tuple[int, str, str]:
        path = self.folder / name
        info = zipfile.ZipInfo(name, self._stamp)
        info.compress_type = zipfile.ZIP_STORED if path.suffix in _PACKED else zipfile.ZIP_DEFLATED
        info.create_system, info.external_attr = 3, 0o100644 << 16
        info.file_size = path.stat().st_size
        sha256, sm3, size = hashlib.sha256(), hashlib.new("sm3"), 0
        with path.open("rb") as source, self._zip.open(info, "w") as sink:
            while chunk := source.read(CHUNK):
                sha256.update(chunk)
                sm3.update(chunk)
                sink.write(chunk)
                size += len(chunk)
        return size, sha256.hexdigest(), sm3.hexdigest()
