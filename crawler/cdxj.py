"""The CDXJ index of WARC files: where in which file each URL's answer lies."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cdxj_indexer.main import CDXJIndexer
from warcio.exceptions import ArchiveLoadFailed
from warcio.recordloader import ArcWarcRecord

# What can be replayed. Named, because the packager widens the indexer's own list for the whole process.
_RECORDS = "response,revisit,resource"


class PackagingError(Exception):
    """The archives cannot be indexed or packaged; the message says which one and how to mend it."""


class Index:
    """The index of one run's archive, kept while it is written: reading a large archive again takes minutes."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._files: set[Path] = set()
        self._indexer = CDXJIndexer(None, [], records=_RECORDS)

    def add(self, record: ArcWarcRecord, path: Path, offset: int, length: int) -> None:
        """Note a record that has just been written."""
        self._files.add(path)
        if self._indexer.filter_record(record):
            self._indexer.curr_filename = path.name
            self._indexer.process_index_entry(_Place(offset, length), record, path.name, self)

    def write(self, line: str) -> None:
        """A line, as the indexer hands it on."""
        self._lines.append(line)

    def save(self, warcs: Sequence[Path], out: Path) -> Path:
        """Write the index of all these files, those of an earlier process read anew. Raises ``PackagingError``."""
        unknown = [path for path in warcs if path not in self._files]
        if unknown:
            check(unknown)
        with whole(out) as part, part.open("w", encoding="utf-8") as stream:
            CDXJIndexer(self, list(map(str, unknown)), records=_RECORDS).process_all()
            stream.writelines(sorted(self._lines))
        return out


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a record lies, as the indexer asks for it."""

    offset: int
    length: int

    def get_record_offset(self) -> int:
        return self.offset

    def get_record_length(self) -> int:
        return self.length


def check(warcs: Sequence[Path]) -> None:
    """Read every file to its end. Raises ``PackagingError`` when one is missing, damaged or not the only one of its name."""
    if not warcs:
        raise PackagingError("没有可打包的归档文件；请先采集。")
    if len({path.name for path in warcs}) != len(warcs):
        raise PackagingError("归档文件有重名；每个文件名在一个包里只能出现一次，请分开打包。")
    for path in warcs:
        try:
            # Neither the indexer nor the validator minds an archive that ends in the middle of a record.
            with gzip.open(path) as stream:
                while stream.read(1 << 20):
                    pass
        except FileNotFoundError as error:
            raise PackagingError(f"{path} 不存在；请核对归档文件夹。") from error
        except (OSError, EOFError, zlib.error) as error:
            raise PackagingError(f"{path} 已损坏（{error}）；再次运行同一采集会修好其末尾，或从备份中取回。") from error


@contextlib.contextmanager
def whole(out: Path) -> Iterator[Path]:
    """A place to write to that becomes ``out`` when all went well, and is gone otherwise."""
    part = out.with_name(f".{out.name}.part")
    try:
        yield part
        part.replace(out)
    except ArchiveLoadFailed as error:
        raise PackagingError(
            f"归档文件中有不是 WARC 的内容（{str(error)[:200]}）；先用 warcio check 找出坏的文件。"
        ) from error
    finally:
        part.unlink(missing_ok=True)
