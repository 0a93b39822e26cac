"""The whole job by its one command: crawl, score, two people, packages, verification, on the bundled mini-web."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from warcio.archiveiterator import ArchiveIterator

from data.facts import ROOT
from data.records import State, Verdict
from data.store import Store
from reports import verify

TRUTH = yaml.safe_load((ROOT / "demoweb" / "truth.yml").read_text("utf8"))


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "takedown", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=ROOT.parent,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The home of one demonstration and what it printed."""
    home = tmp_path_factory.mktemp("demo")
    done = run("--home", home, "demo", "--no-serve")
    assert done.returncode == 0, done.stdout + done.stderr
    return home / "demo", done.stdout


def test_every_stage_is_told_with_its_time(demo: tuple[Path, str]) -> None:
    for stage in ("采集", "评分", "两人确认", "移送", "校验", "对照"):
        assert stage in demo[1]
    assert "完好" in demo[1]


def test_hits_are_one_json_object_a_line_as_the_contract_says(demo: tuple[Path, str]) -> None:
    lines = run("--home", demo[0], "hits", "--json").stdout.splitlines()
    found = [json.loads(line) for line in lines]
    assert [hit["score"] for hit in found] == sorted((hit["score"] for hit in found), reverse=True)
    offers = {f"{t['kind']}:{t['identity']}" for t in TRUTH["targets"] if t["positive"]}
    keys = {f"{hit['kind']}:{hit['identity']}" for hit in found}
    assert offers <= keys
    for hit in found:
        assert set(hit) >= {"kind", "identity", "score", "indicators", "genre", "spans", "captures"}
        for capture in hit["captures"]:
            assert set(capture) == {"url", "score", "captured_at", "sha256", "warc"}
            file, _, offset = capture["warc"].rpartition(":")
            with (demo[0] / file).open("rb") as stream:
                stream.seek(int(offset))
                assert next(iter(ArchiveIterator(stream))).rec_type == "response"


def test_the_site_that_shows_wechat_a_tea_shop_is_told_apart(demo: tuple[Path, str]) -> None:
    with Store(demo[0]) as store:
        found = {told.url: told.variable for told in store.contrasts(run_id=store.runs()[0].id)}
    assert found.pop("http://otc.shunda-u.test/") == "user_agent:wechat"
    assert set(found.values()) == {""}


def test_only_what_two_accounts_confirmed_is_referred(demo: tuple[Path, str]) -> None:
    with Store(demo[0]) as store:
        referred = store.cases(State.REFERRED)
        assert referred
        assert not store.cases(State.APPROVED)
        for case in referred:
            decisions = store.decisions(case.id)
            proposer = next(d.actor for d in decisions if d.verdict is Verdict.PROPOSE)
            approver = next(d.actor for d in decisions if d.verdict is Verdict.APPROVE)
            assert proposer != approver
            assert all(user.demo for user in store.users())
        innocent = {f"{t['kind']}:{t['identity']}" for t in TRUTH["targets"] if not t["positive"]}
        assert not innocent & {case.target.key for case in referred}


def test_what_must_not_be_fetched_was_not(demo: tuple[Path, str]) -> None:
    with Store(demo[0]) as store:
        urls = {capture.url for capture in store.captures()}
    assert not urls & set(TRUTH["must_not_fetch"])


def test_packages_hold_letter_list_and_evidence_and_verify(demo: tuple[Path, str]) -> None:
    packages = sorted((demo[0] / "packages").glob("*.zip"))
    assert packages
    for package in packages:
        assert verify(package) == []
        with zipfile.ZipFile(package) as archive:
            names = archive.namelist()
        for ending in (".docx", ".xlsx", ".csv", "manifest.json", ".warc.gz", "index.html"):
            assert any(name.endswith(ending) for name in names), (package.name, ending)


def test_one_flipped_byte_is_found_by_the_command(demo: tuple[Path, str], tmp_path: Path) -> None:
    package = min((demo[0] / "packages").glob("*.zip"), key=lambda path: path.stat().st_size)
    with zipfile.ZipFile(package) as archive:
        victim = next(info for info in archive.infolist() if info.filename.endswith(".csv"))
        middle = (
            victim.header_offset + 30 + len(victim.filename.encode()) + len(victim.extra) + victim.compress_size // 2
        )
    content = bytearray(package.read_bytes())
    content[middle] ^= 1
    altered = tmp_path / package.name
    altered.write_bytes(content)
    assert run("verify", package).returncode == 0
    done = run("verify", altered)
    assert done.returncode == 1
    assert ".csv" in done.stderr


def test_a_folder_that_is_not_a_demonstration_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "demo"
    mine.mkdir()
    (mine / "evidence.txt").write_text("mine")
    done = run("--home", tmp_path, "demo", "--no-serve")
    assert done.returncode == 1
    assert (mine / "evidence.txt").read_text() == "mine"
