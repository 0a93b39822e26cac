"""A body on its way: in memory while it is small, on disk when it is not."""

from __future__ import annotations

import os
import tempfile
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

SPOOL_BYTES = 1 << 20
HEAD_BYTES = 4096
SUFFIX = ".part"


class Body:
    """Bytes as they come; beyond ``SPOOL_BYTES`` they go to a file in ``folder``, which whoever takes it removes.

    The folder is the run's own, on the disk that the archive is written to anyway. Raises ``OSError`` when that is full.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._start = bytearray()
        self._file: BinaryIO | None = None
        self.size = 0

    def add(self, chunk: bytes, limit: int) -> bool:
        """Take what fits within ``limit`` bytes in all; whether everything did."""
        taken = chunk[: max(limit - self.size, 0)]
        self.size += len(taken)
        if self._file is None and self.size > SPOOL_BYTES:
            number, name = tempfile.mkstemp(SUFFIX, dir=self._folder)
            self._path, self._file = Path(name), os.fdopen(number, "wb")
            self._file.write(self._start)
            del self._start[HEAD_BYTES:]
        if self._file is None:
            self._start += taken
        else:
            self._file.write(taken)
        return len(taken) == len(chunk)

    def startswith(self, prefix: bytes) -> bool:
        return self._start.startswith(prefix)

    def finish(self) -> bytes | Path:
        """The whole body: bytes, or the file that holds them."""
        if self._file is None:
            return bytes(self._start)
        self._file.close()
        return self._path

    def discard(self) -> None:
        """Leave nothing behind."""
        if self._file is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)


def opened(body: bytes | Path) -> BinaryIO:
    """A body to be read from its beginning; close it."""
    return BytesIO(body) if isinstance(body, bytes) else body.open("rb")


def sweep(folder: Path) -> None:
    """Remove what a crash left behind."""
    for path in folder.glob(f"*{SUFFIX}"):
        path.unlink()
