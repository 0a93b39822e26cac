"""``takedown doctor`` on a real home, real programs and real environments; and the lock file beside pyproject."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rich.console import Console

from data.facts import legal_bases
from data.store import Store, now
from takedown.doctor import Finding, clock, examine, render

ROOT = Path(__file__).parent.parent


def by_name(findings: list[Finding], part: str) -> Finding:
    return next(finding for finding in findings if part in finding.name)


def examine_elsewhere(home: Path, environment: Mapping[str, str], before: str = "") -> list[Finding]:
    """The findings of another process, with its own environment and after the statements in ``before``."""
    program = (
        f"import json, sys, dataclasses; {before}\n"
        "from pathlib import Path; from takedown.doctor import examine\n"
        "print(json.dumps([dataclasses.asdict(f) for f in examine(Path(sys.argv[1]))]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(home)],
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return [Finding(**fields) for fields in json.loads(done.stdout)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "var"


def test_a_new_home_is_in_order_and_is_not_made_by_looking(home: Path) -> None:
    findings = examine(home)
    for part in ("Python", "packages", "home", "database", "clock"):
        assert by_name(findings, part).state == "ok"
    assert all(finding.mend for finding in findings if finding.state == "missing")
    assert not home.exists()


def test_a_sound_database_says_how_many_backups_it_has(home: Path) -> None:
    with Store(home) as store:
        store.backup()
    database = by_name(examine(home), "database")
    assert (database.state, database.mend) == ("ok", "")
    assert "1" in database.detail


def test_a_corrupted_database_points_at_the_newest_backup(home: Path) -> None:
    with Store(home) as store:
        backup = store.backup()
    (home / "takedown.db").write_bytes(b"not a database at all " * 400)
    database = by_name(examine(home), "database")
    assert database.state == "missing"
    assert str(backup) in database.mend


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    folder = by_name(examine(tmp_path / "file" / "var"), "home")
    assert folder.state == "missing"
    assert str(tmp_path / "file" / "var") in folder.detail


@pytest.mark.skipif(sys.platform == "darwin", reason="its fonts come with the system")
def test_without_programs_on_the_path_each_is_named_with_its_mend(home: Path, tmp_path: Path) -> None:
    findings = examine_elsewhere(home, {"PATH": "", "PLAYWRIGHT_BROWSERS_PATH": str(tmp_path / "none")})
    assert by_name(findings, "Chromium").state == "missing"
    assert by_name(findings, "Chromium").mend == "make setup"
    assert by_name(findings, "fonts").state == "missing"
    assert "fonts-noto-cjk" in by_name(findings, "fonts").mend
    assert by_name(findings, "LibreOffice").state == "warning"


def test_a_chromium_that_only_points_elsewhere_is_not_taken_for_one(home: Path, tmp_path: Path) -> None:
    stub = tmp_path / "chromium"
    stub.write_text("#!/bin/sh\necho 'install the snap' >&2\nexit 1\n")
    stub.chmod(0o755)
    chromium = by_name(examine_elsewhere(home, {"PATH": str(tmp_path)}), "Chromium")
    assert chromium.state == "missing"
    assert str(stub) in chromium.detail


def test_dependencies_that_are_absent_or_too_old_are_named_and_extras_are_not_asked_for(
    home: Path, tmp_path: Path
) -> None:
    declared = tmp_path / "takedown-0.dist-info"
    declared.mkdir()
    (declared / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: takedown\nVersion: 0\n"
        "Requires-Dist: rich>=999\nRequires-Dist: no-such-package-here>=1\nRequires-Dist: click>=1\n"
        "Provides-Extra: test\nRequires-Dist: nor-this-one; extra == 'test'\n"
    )
    packages = by_name(examine_elsewhere(home, {}, f"sys.path.insert(0, {str(tmp_path)!r})"), "packages")
    assert packages.state == "missing"
    assert "rich>=999" in packages.detail
    assert "no-such-package-here" in packages.detail
    assert "click" not in packages.detail
    assert "nor-this-one" not in packages.detail


def test_the_doctor_comes_where_a_room_cannot_be_imported(home: Path) -> None:
    home.mkdir()
    (home / "takedown.db").touch()
    findings = examine_elsewhere(home, {}, "sys.modules['sqlite_utils'] = None")
    database = by_name(findings, "database")
    assert database.state == "missing"
    assert database.mend == "make setup"
    assert "sqlite_utils" in database.detail
    assert by_name(findings, "legal bases").state != "missing"


def test_a_basis_without_its_official_text_is_a_warning_with_its_day_and_the_one_file(home: Path) -> None:
    law = by_name(examine(home), "legal bases")
    lacking = [basis for basis in legal_bases() if basis.status == "needs-official-text"]
    assert law.state == ("warning" if lacking else "ok")
    for basis in lacking:
        assert basis.number in law.detail
        assert str(basis.effective_from) in law.detail
        assert "data/facts/legal_bases.yml" in law.mend


def test_proxy_variables_are_named_and_their_passwords_are_not_shown(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://officer:secret@127.0.0.1:9")
    proxies = by_name(examine(home), "proxies")
    assert proxies.state == "warning"
    assert "https_proxy" in proxies.detail
    assert "HTTPS_PROXY" in proxies.mend
    assert "secret" not in proxies.detail + proxies.mend


def test_a_clock_of_another_age_is_not_believed() -> None:
    assert clock(now())[0] == "ok"
    assert clock(datetime(1970, 1, 1, tzinfo=UTC))[0] == "missing"


def test_the_table_shows_text_as_it_is() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(render([Finding("中文 item", "missing", "[red]not markup[/red] [link=x]", "make setup")]))
    text = console.export_text()
    assert "[red]not markup[/red] [link=x]" in text
    assert "须修复" in text


def test_the_lock_pins_with_a_digest_all_that_pyproject_asks_for_and_names_no_place() -> None:
    lock = (ROOT / "requirements.lock").read_text("utf8")
    pins: dict[str, set[str]] = {}
    for block in re.split(r"\n(?=[a-z])", lock)[1:]:
        name, version = re.match(r"([a-z0-9-]+)==(\S+)", block).groups()  # type: ignore[union-attr]
        assert "--hash=sha256:" in block, f"{name} has no digest"
        pins.setdefault(name, set()).add(version)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    for line in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
        need = Requirement(line)
        versions = pins.get(canonicalize_name(need.name), set())
        assert versions, f"{line} is not in requirements.lock: make lock"
        assert all(map(need.specifier.contains, versions)), f"requirements.lock is behind {line}: make lock"
    assert "://" not in lock
    assert "index-url" not in lock
