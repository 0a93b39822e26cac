"""What is missing on this machine, and how to mend it. Looks only: asks no network and installs nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement
from rich.table import Table
from rich.text import Text

# The rooms are imported inside the checks that ask them: a doctor must start where their packages are missing.

State = Literal["ok", "missing", "warning"]
Verdict = tuple[State, str, str]
"""What a check comes to: the state, what was found, and the command or the file that mends it."""

OLDEST_PYTHON = (3, 11)
ROOM_ON_DISK = 2 * 10**9
"""Bytes."""
PLAUSIBLE_YEARS = range(2026, 2100)
PATIENCE = 30.0
"""Seconds for a program to say its version."""
WORDS: dict[State, Text] = {
    "ok": Text("正常 ok", "green"),
    "missing": Text("须修复 missing", "bold red"),
    "warning": Text("注意 warning", "yellow"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table. ``missing`` is required and not in order; ``warning`` can be lived with."""

    name: str
    state: State
    detail: str
    mend: str


def examine(home: Path) -> list[Finding]:
    """Every check once, for the home folder given; raises nothing that a check may come upon."""
    checks: dict[str, Callable[[], Verdict]] = {
        "Python": python,
        "依赖包 packages": packages,
        "浏览器 Chromium": chromium,
        "中文字体 fonts": fonts,
        "LibreOffice": libreoffice,
        "torch": torch,
        "模型 model": partial(model, home),
        "工作目录 home": partial(folder, home),
        "数据库 database": partial(database, home),
        "法律依据 legal bases": law,
        "代理 proxies": proxies,
        "时钟 clock": partial(clock, datetime.now(UTC)),
    }
    return [Finding(name, *_verdict(check)) for name, check in checks.items()]


def render(findings: Sequence[Finding]) -> Table:
    """The findings as a table for the terminal; their text is shown as it is, never read as markup."""
    table = Table()
    for heading in ("项目 item", "状态 state", "情况 found", "修复 mend"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        table.add_row(Text(finding.name), WORDS[finding.state], Text(finding.detail), Text(finding.mend))
    return table


def _verdict(check: Callable[[], Verdict]) -> Verdict:
    try:
        return check()
    except ImportError as error:
        return "missing", f"缺少 Python 模块 {error.name} · a Python module is missing", "make setup"


def _says(*command: str) -> str | None:
    """What a program prints, or ``None`` when it is not there or does not run."""
    try:
        return subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE).stdout.decode(
            "utf8", "replace"
        )
    except (OSError, subprocess.SubprocessError):
        return None


def python() -> Verdict:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        return "missing", f"{found}，需要 3.11 以上 · 3.11 or newer is needed", "rm -r .venv && make setup"
    return "ok", found, ""


def packages() -> Verdict:
    """Every direct dependency that the installed project declares, against its floor."""
    try:
        declared = [Requirement(line) for line in requires("takedown") or ()]
    except PackageNotFoundError:
        return "missing", "本项目未装入环境 · the project is not installed", "make setup"
    needed = [need for need in declared if need.marker is None or need.marker.evaluate({"extra": ""})]
    found = {need: _version(need.name) for need in needed}
    short = [f"{need}（{has or '无 none'}）" for need, has in found.items() if not _meets(need, has)]
    if short:
        return "missing", "缺少或过旧 · missing or too old: " + ", ".join(short), "make setup"
    return "ok", f"{len(needed)} 个直接依赖齐全 · all direct dependencies are there", ""


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _meets(need: Requirement, found: str | None) -> bool:
    return found is not None and need.specifier.contains(found, prereleases=True)


def chromium() -> Verdict:
    """The browser the crawler would start: the system's, else Playwright's own."""
    from playwright.sync_api import Error, sync_playwright

    from crawler.render import find_chromium

    path = find_chromium()
    if path is None:
        try:
            with sync_playwright() as running:
                path = running.chromium.executable_path
        except (Error, OSError):
            path = "playwright"
    if said := _says(path, "--version"):
        return "ok", f"{said.strip()}（{path}）", ""
    return (
        "missing",
        f"无法运行 {path}，只能抓取静态页面，没有截图 · it does not run: only static pages, no pictures",
        "make setup",
    )


def fonts() -> Verdict:
    said = _says("fc-list", ":lang=zh", "family")
    if said and said.strip():
        return "ok", min(said.strip().splitlines()), ""
    if sys.platform == "darwin":
        return "ok", "系统自带 · the system's own", ""
    return (
        "missing",
        "没有中文字体，截图和 PDF 里的汉字会显示为方框 · no Chinese font: boxes in pictures and PDFs",
        "apt-get install fontconfig fonts-noto-cjk",
    )


def libreoffice() -> Verdict:
    path = shutil.which("soffice") or shutil.which("libreoffice")
    if path:
        return "ok", path, ""
    return (
        "warning",
        "可选：查看、打印移送函 · optional: to view and print letters",
        "apt-get install libreoffice-writer",
    )


def torch() -> Verdict:
    if found := _version("torch"):
        return "ok", found, ""
    return (
        "warning",
        "没有它只用线性模型判断，误报和漏报都会多 · without it the linear model judges alone, and worse",
        "pip install torch==2.13.0",
    )


def model(home: Path) -> Verdict:
    """The model in force: can its files be read, and does it belong to the lexicon and the taxonomy of today?"""
    from classifier.judge import Judge
    from classifier.model import ModelError
    from classifier.models import SHIPPED, in_force

    folder = in_force(home)
    own = folder != SHIPPED
    try:
        judge = Judge(folder)
    except ModelError as error:
        return "missing", str(error), "takedown train --restore" if own else "git checkout -- data/model"
    size = sum(file.stat().st_size for file in folder.rglob("*.safetensors")) / 1e6
    which = "本单位训练 · trained here" if own else "随附 · shipped"
    return "ok", f"{judge.version}，{which}，{size:.0f} MB", ""


def folder(home: Path) -> Verdict:
    """Can the home folder, or the nearest folder above it that is there, be written, and is there room?"""
    place = home.absolute()
    try:
        while not place.exists():
            place = place.parent
        with tempfile.TemporaryFile(dir=place):
            free = shutil.disk_usage(place).free
    except OSError as error:
        return "missing", f"{home} 不可写（{error.strerror}）· cannot be written", "takedown --home DIR …"
    detail = f"{home} 可写，剩余 {free / 1e9:.1f} GB · writable, free space"
    if free < ROOM_ON_DISK:
        return "warning", detail, "清理磁盘，或用 --home 换到空间更大的磁盘 · free some space, or move with --home"
    return "ok", detail, ""


def database(home: Path) -> Verdict:
    """Opened as any command would open it, which also brings its tables up to date; never created."""
    from data.store import CorruptStore, Store, StoreError

    if not (home / "takedown.db").exists():
        return "ok", "尚未建立，首次运行时建立 · none yet; the first run makes it", ""
    try:
        with Store(home) as store:
            return "ok", f"完好，备份 {len(store.backups())} 份 · sound, with backups", ""
    except CorruptStore as error:
        return "missing", "数据库已损坏 · the database is damaged", str(error)
    except StoreError as error:
        return "missing", "数据库打不开 · the database cannot be opened", str(error)


def law() -> Verdict:
    """A letter may cite only clauses whose official text is held; until it is, nothing of that time can be referred."""
    from data.facts import FactsError, legal_bases

    try:
        bases = legal_bases()
    except FactsError as error:
        return "missing", str(error), "修正该文件 · mend that file"
    lacking = [basis for basis in bases if basis.status == "needs-official-text"]
    if not lacking:
        return "ok", "、".join(basis.number for basis in bases), ""
    detail = "；".join(
        f"{basis.number} 尚缺官方全文，{basis.effective_from} 起的行为暂不能移送 · its official text is lacking: "
        f"conduct on or after {basis.effective_from} cannot be referred until then"
        for basis in lacking
    )
    return "warning", detail, "补全 data/facts/legal_bases.yml（仅此一个文件）· complete this one file"


def proxies() -> Verdict:
    """Names only: a proxy's address may hold a password."""
    if names := sorted(urllib.request.getproxies_environment().keys() - {"no"}):
        variables = [f"{name}_proxy" for name in names]
        return (
            "warning",
            f"设置了 {', '.join(variables)}；抓取应直连，所连地址才能核对、留证 · set, but a crawl must connect directly "
            "so that its addresses can be checked and kept as evidence",
            "unset " + " ".join(name for variable in variables for name in (variable, variable.upper())),
        )
    return "ok", "未设置 · none set", ""


def clock(now: datetime) -> Verdict:
    """Times are evidence. ``now`` is aware, in UTC."""
    detail = f"{now:%Y-%m-%d %H:%M} UTC"
    if now.year in PLAUSIBLE_YEARS:
        return "ok", detail, ""
    return "missing", f"{detail}，年份不可信 · the year is not plausible", "timedatectl set-ntp true"
