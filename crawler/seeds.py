"""Seed lists: one address a line, as officers keep them. A line that cannot be used is named, never dropped silently."""

from __future__ import annotations

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from dataclasses import dataclass
from pathlib import Path

from crawler.urls import BadURL, canonical


class SeedError(Exception):
    """The seed list cannot be read or holds nothing usable; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line of the list that is not an address: where it stands, what it says and why it was refused."""

    number: int
    line: str
    why: str


@dataclass(frozen=True, slots=True)
class SeedList:
    """The usable addresses in order and without repetition, and the refused lines."""

    urls: tuple[str, ...]
    refused: tuple[RefusedLine, ...]
    repeated: int


def read_seeds(path: Path) -> SeedList:
    """Read a UTF-8 (or GB18030, or UTF-16 as Notepad's "Unicode") list. Blank lines and ``#`` comments are skipped; a bare host means ``http://host/``.

    Raises ``SeedError`` when the file cannot be read or no line is usable.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SeedError(f"无法读取种子清单 {path}（{error.strerror}）。") from error
    try:
        text = content.decode("utf-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("gb18030", "replace")
    seeds = parse_seeds(text)
    if not seeds.urls:
        named = "".join(f"第 {r.number} 行未采用：{r.why}。" for r in seeds.refused[:5])
        raise SeedError(f"种子清单 {path} 中没有可用的网址。{named}请每行写一个网址或主机名。")
    return seeds


def parse_seeds(text: str) -> SeedList:
    """Parse the text of a seed list."""
    urls: dict[str, None] = {}
    refused: list[RefusedLine] = []
    repeated = 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = re.sub(r"(^|\s)#.*$", "", raw).strip().strip("\x00\ufeff")
        if not line:
            continue
        try:
            url = _address(line)
        except BadURL as error:
            refused.append(RefusedLine(number, raw[:200], str(error)))
            continue
        if url in urls:
            repeated += 1
        urls[url] = None
    return SeedList(tuple(urls), tuple(refused), repeated)


def _address(line: str) -> str:
    if re.search(r"\s", line):
        raise BadURL("网址中不应有空格")
    if re.match(r"[a-z][a-z0-9+.-]*:(//|(?!\d+([/?#]|$)))", line, re.I):
        return canonical(line)
    host = re.split(r"[/:?#]", line.lstrip("/"), maxsplit=1)[0]
    if "." not in host.replace("。", ".") and host != "localhost":
        raise BadURL(f"{host or line} 既不是网址也不是主机名")
    return canonical("http://" + line.lstrip("/"))
