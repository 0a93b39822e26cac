"""The referral: what goes in, what comes out, and that nothing is half-done."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from packages_home import APP, APPROVER, ISSUED, ISSUER, OVERSEAS, PROPOSER, SITE, WORDS, Home, Subject, send
from warcio.archiveiterator import ArchiveIterator
from warcio.cli import main as warcio_main

from data.facts import authorities
from data.records import Capture, Digests, Kind, State, Verdict
from data.store import StaleCase, Store
from reports import Issuer, NothingApproved, ReferralError, Unfit, UnknownAuthority, plan, refer, verify
from reports.package import Package

ROOT = Path(__file__).parent.parent


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "var")
    yield home
    home.store.close()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


# -- the whole -----------------------------------------------------------------------------------------------------


def test_one_intact_package_per_authority_and_the_cases_move(home: Home, out: Path) -> None:
    cases = [home.approved(subject) for subject in (SITE, APP, OVERSEAS)]
    referrals = refer(home.store, home.path, out, ISSUER, authority=None, on=ISSUED)
    assert [(r.number, r.authority, r.basis) for r in referrals] == [
        ("演金函〔2025〕1号", "guangdong", "237"),
        ("演金函〔2025〕2号", "cac", "237"),
    ]
    assert sorted(home.store.referrals(), key=lambda r: r.sequence) == referrals
    for referral in referrals:
        folder = Path(referral.package)
        assert folder.parent == out
        assert verify(folder) == verify(folder.with_name(f"{folder.name}.zip")) == []
        assert Digests.of((folder / "manifest.json").read_bytes()).sha256 == referral.manifest_sha256
    assert sorted(path.name for path in out.iterdir()) == sorted(
        name for r in referrals for name in (Path(r.package).name, f"{Path(r.package).name}.zip")
    )
    for case in cases:
        assert home.store.case(case).state is State.REFERRED
        assert home.store.decisions(case)[-1].verdict is Verdict.REFER
    with pytest.raises(NothingApproved):
        refer(home.store, home.path, out, ISSUER, authority=None, on=ISSUED)


def test_the_manifest_tells_who_decided_what_on_which_evidence(home: Home, out: Path) -> None:
    case = home.approved(SITE)
    (folder,) = send(home, out)
    manifest = json.loads((folder / "manifest.json").read_text("utf8"))
    assert manifest["number"] == "演金函〔2025〕1号"
    assert manifest["issued_at"] == {"utc": "2025-11-10T01:00:00+00:00", "shanghai": "2025-11-10 09:00:00+08:00"}
    (entry,) = manifest["cases"]
    assert (entry["proposed"]["actor"], entry["approved"]["actor"]) == (PROPOSER, APPROVER)
    assert entry["evidence_sha256"] == home.store.case(case).evidence_sha256
    assert "广东省" in entry["route"]["reason"]
    for file in manifest["files"]:
        content = (folder / file["path"]).read_bytes()
        assert (len(content), Digests.of(content)) == (file["size"], Digests(file["sha256"], file["sm3"]))


def test_the_evidence_stands_alone(home: Home, out: Path) -> None:
    home.approved(SITE)
    (folder,) = send(home, out)
    places = sorted((folder / "evidence" / "0001-www.hxex.test").iterdir())
    assert [place.name for place in places] == ["01", "02"]
    for place in places:
        facts = json.loads((place / "facts.json").read_text("utf8"))
        with pytest.raises(SystemExit) as done:
            warcio_main(["check", str(place / "capture.warc.gz")])
        assert done.value.code == 0
        with (place / "capture.warc.gz").open("rb") as stream:
            held = [Digests.of(record.raw_stream.read()) for record in ArchiveIterator(stream)]
        listed = [facts["digests"][name] for name in ("payload", "dom", "screenshot")]
        assert held == [Digests(piece["sha256"], piece["sm3"]) for piece in listed]
        assert Digests.of((place / "screenshot.png").read_bytes()) == held[2]
        assert Digests.of((place / "dom.html.txt").read_bytes()) == held[1]
        assert facts["headers"][1:] == [["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"]]
        assert facts["fetched_at"]["shanghai"].startswith("2025-11-03 10:3")
        assert facts["run"]["environment"]["proxy"] == "none"
        text = (place / "text.txt").read_bytes().decode()
        spans = json.loads((place / "spans.json").read_text("utf8"))["spans"]
        assert {span["indicator"] for span in spans} == set(WORDS)
        assert all(text[span["start"] : span["end"]] == span["text"] for span in spans)


def test_the_package_holds_what_was_decided_on_not_what_was_fetched_since(home: Home, out: Path) -> None:
    home.approved(SITE)
    home.case(replace(SITE, pages=3))
    (folder,) = send(home, out)
    assert len(list((folder / "evidence" / "0001-www.hxex.test").iterdir())) == 2


# -- whom it goes to -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "authority", "filing"),
    [
        (SITE, "guangdong", "粤ICP备2021000001号-1"),
        (replace(SITE, filing="蜀ICP备 2021000001号"), "sichuan", "蜀ICP备2021000001号"),
        (replace(SITE, facts={"filing": "京ICP证030173号"}), "beijing", "京ICP证030173号"),
        (Subject("wx:wx0", Kind.MINIPROGRAM, filing="浙ICP备1号-1X"), "zhejiang", "浙ICP备1号-1X"),
        (OVERSEAS, "cac", ""),
        (replace(SITE, filing="台ICP备2021000001号"), "cac", "台ICP备2021000001号"),
    ],
)
def test_the_filing_number_proposes_the_authority(home: Home, subject: Subject, authority: str, filing: str) -> None:
    home.approved(subject)
    (batch,) = plan(home.store, home.path, authority=None)
    assert (batch.authority.id, batch.dossiers[0].route.filing) == (authority, filing)
    assert filing in batch.dossiers[0].route.reason


def test_a_page_footer_is_not_taken_for_an_apps_own_number_without_saying_so(home: Home) -> None:
    home.approved(replace(APP, filing="京ICP备2020000001号-1"))
    (batch,) = plan(home.store, home.path, authority=None)
    assert "未必属于该应用本身" in batch.dossiers[0].route.reason


@pytest.mark.parametrize("name", ["cac", "中央网络安全和信息化委员会办公室"])
def test_one_authority_can_be_served_alone(home: Home, out: Path, name: str) -> None:
    site, overseas = home.approved(SITE), home.approved(OVERSEAS)
    (folder,) = send(home, out, name)
    assert "中央网络安全" in folder.name
    assert home.store.case(overseas).state is State.REFERRED
    assert home.store.case(site).state is State.APPROVED


def test_an_unknown_authority_is_answered_with_the_known_ones(home: Home, out: Path) -> None:
    home.approved(SITE)
    with pytest.raises(UnknownAuthority) as error:
        send(home, out, "火星通信管理局")
    assert all(authority.name in str(error.value) for authority in authorities())
    with pytest.raises(NothingApproved, match="北京市通信管理局"):
        send(home, out, "beijing")
    assert not out.exists()


# -- what is refused -----------------------------------------------------------------------------------------------


def test_nothing_approved_is_a_sentence_and_writes_nothing(home: Home, out: Path) -> None:
    case, captures = home.case(SITE)
    home.decide(case, captures, Verdict.PROPOSE, PROPOSER)
    with pytest.raises(NothingApproved, match="两人"):
        send(home, out)
    assert not out.exists()


def _decide(home: Home, **changes: object) -> None:
    case, captures = home.case(SITE)
    home.decide(case, captures, Verdict.PROPOSE, PROPOSER, **changes)  # type: ignore[arg-type]
    home.decide(case, captures, Verdict.APPROVE, APPROVER, **changes)  # type: ignore[arg-type]


def _one_person(home: Home) -> None:
    case, captures = home.case(SITE)
    home.decide(case, captures, Verdict.PROPOSE, PROPOSER)
    home.decide(case, captures, Verdict.APPROVE, PROPOSER.upper())


def _other_evidence(home: Home) -> None:
    case, captures = home.case(SITE)
    home.decide(case, captures, Verdict.PROPOSE, PROPOSER)
    home.decide(case, captures, Verdict.APPROVE, APPROVER, digest="0" * 64)


def _damaged(damage: Callable[[Path], object]) -> Callable[[Home], None]:
    def act(home: Home) -> None:
        home.approved(SITE)
        damage(home.path / home.archive)

    return act


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _lose_capture(home: Home) -> None:
    case, captures = home.case(SITE)
    lost: list[Capture] = [*captures, replace(captures[0], id="lost")]
    home.decide(case, lost, Verdict.PROPOSE, PROPOSER)
    home.decide(case, lost, Verdict.APPROVE, APPROVER)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (_one_person, "同为"),
        (_other_evidence, "证据与提出时不同"),
        (lambda home: _decide(home, digest="0" * 64), "证据摘要不符"),
        (_lose_capture, "lost已不在库中"),
        (lambda home: _decide(home, conduct_on="2026-03-01"), "2026-02-06停止执行"),
        (lambda home: _decide(home, conduct_on="2021-09-14"), "2021-09-15起施行"),
        (lambda home: _decide(home, conduct_on="2026-03-01", basis="42"), "legal_bases.yml"),
        (lambda home: _decide(home, clause="（二十）"), "（二十）项没有条文文本"),
        (lambda home: _decide(home, clause=""), "没有条文文本"),
        (lambda home: _decide(home, conduct_on="去年"), "行为日期"),
        (lambda home: _decide(home, basis="999"), "999"),
        (lambda home: _decide(home, indicators=("alchemy",)), "alchemy"),
        (_damaged(_flip), "归档无法核对"),
        (_damaged(lambda path: path.write_bytes(b"x" * path.stat().st_size)), "归档无法核对"),
        (_damaged(Path.unlink), "归档无法核对"),
    ],
)
def test_an_unfit_case_is_named_with_the_way_to_mend_it(
    home: Home, out: Path, act: Callable[[Home], None], said: str
) -> None:
    act(home)
    with pytest.raises(Unfit, match=re.escape(said)) as error:
        send(home, out)
    assert "www.hxex.test" in str(error.value)
    assert not out.exists()
    assert home.store.referrals() == []
    assert home.store.case(1).state is State.APPROVED


def test_a_case_reopened_after_its_approval_needs_both_steps_again(home: Home, out: Path) -> None:
    case, captures = home.case(SITE)
    home.decide(case, captures, Verdict.PROPOSE, PROPOSER)
    home.decide(case, captures, Verdict.APPROVE, APPROVER)
    home.decide(case, captures, Verdict.REOPEN, "system")
    with pytest.raises(NothingApproved):
        send(home, out)


def test_an_unfit_case_can_be_left_out(home: Home, out: Path) -> None:
    case, captures = home.case(OVERSEAS)
    home.decide(case, captures, Verdict.PROPOSE, PROPOSER, conduct_on="2026-03-01")
    home.decide(case, captures, Verdict.APPROVE, APPROVER, conduct_on="2026-03-01")
    site = home.approved(SITE)
    (referral,) = refer(home.store, home.path, out, ISSUER, authority=None, on=ISSUED, leave_out={case})
    assert referral.case_ids == (site,)


@pytest.mark.parametrize("part", ["name", "code", "contact", "phone"])
@pytest.mark.parametrize("value", ["", "甲\n乙", "甲" * 60, "\u202e甲"])
def test_an_issuer_is_plain_words(part: str, value: str) -> None:
    with pytest.raises(ReferralError):
        replace(ISSUER, **{part: value})


def test_an_issuers_code_is_no_path() -> None:
    with pytest.raises(ReferralError):
        Issuer("甲局", "../甲", "张三", "1")


# -- numbers, crashes, two at once ---------------------------------------------------------------------------------


def test_numbers_run_without_gaps_per_issuer_and_year_of_shanghai(home: Home, out: Path) -> None:
    dates = [ISSUED, datetime(2025, 12, 31, 15, 59, tzinfo=UTC), datetime(2025, 12, 31, 16, 0, tzinfo=UTC)]
    numbers = []
    for index, on in enumerate(dates):
        home.approved(Subject(f"w{index}.hxex.test"))
        numbers += [r.number for r in refer(home.store, home.path, out, ISSUER, authority=None, on=on)]
        with pytest.raises(NothingApproved):  # a run that sends nothing takes no number
            send(home, out)
    assert numbers == ["演金函〔2025〕1号", "演金函〔2025〕2号", "演金函〔2026〕1号"]


def test_a_package_already_there_is_never_overwritten(home: Home, out: Path) -> None:
    home.approved(SITE)
    (out / "演金函〔2025〕1号-广东省通信管理局").mkdir(parents=True)
    with pytest.raises(ReferralError, match="旧备份"):
        send(home, out)
    assert home.store.referrals() == []
    assert [path.name for path in out.iterdir()] == ["演金函〔2025〕1号-广东省通信管理局"]


_DIES = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = [{root!r}, {root!r} + "/tests"]
from data.store import Store
from reports import refer
from packages_home import ISSUED, ISSUER
calls, rename = 0, Path.rename
def dying(self, target):
    global calls
    calls += 1
    if calls == {at}:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
Path.rename = dying
with Store(Path({home!r})) as store:
    refer(store, Path({home!r}), Path({out!r}), ISSUER, authority=None, on=ISSUED)
"""


@pytest.mark.parametrize(("at", "numbered"), [(1, False), (2, False), (3, True), (4, True)])
def test_killed_at_any_step_number_and_package_come_together_or_not_at_all(
    home: Home, out: Path, at: int, numbered: bool
) -> None:
    """The first two renames are inside the transaction, the others publish what it committed."""
    case = home.approved(SITE)
    program = _DIES.format(root=str(ROOT), home=str(home.path), out=str(out), at=at)
    died = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False)
    assert died.returncode == -signal.SIGKILL
    assert [r.number for r in home.store.referrals()] == (["演金函〔2025〕1号"] if numbered else [])
    assert home.store.case(case).state is (State.REFERRED if numbered else State.APPROVED)
    for path in out.glob("演*"):
        assert verify(path) == []
    if numbered:
        with pytest.raises(NothingApproved):
            send(home, out)
    else:
        send(home, out)
    (referral,) = home.store.referrals()
    assert referral.sequence == 1
    folder = Path(referral.package)
    assert verify(folder) == verify(folder.with_name(f"{folder.name}.zip")) == []
    assert sorted(out.iterdir()) == [folder, folder.with_name(f"{folder.name}.zip")]


def test_two_runs_at_once_refer_each_case_once(home: Home, out: Path) -> None:
    for index in range(4):
        home.approved(Subject(f"w{index}.hxex.test", filing=("粤ICP备1号", "京ICP备1号")[index % 2]))
    start, refused = threading.Barrier(2), []

    def run(place: Path) -> None:
        with Store(home.path) as store:
            start.wait()
            try:
                refer(store, home.path, place, ISSUER, authority=None, on=ISSUED)
            except (StaleCase, NothingApproved) as error:
                refused.append(error)

    threads = [threading.Thread(target=run, args=(place,)) for place in (out / "a", out / "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    referrals = home.store.referrals()
    assert sorted(r.sequence for r in referrals) == [1, 2]
    assert sorted(case for r in referrals for case in r.case_ids) == [1, 2, 3, 4]
    assert len(refused) <= 2
    assert all(verify(Path(r.package)) == [] for r in referrals)
    assert not list(out.rglob(".refer-*"))


def test_the_zip_depends_on_the_files_alone(tmp_path: Path) -> None:
    archives = []
    for name in ("a", "b"):
        archive = tmp_path / f"{name}.zip"
        with Package(tmp_path / name, archive, ISSUED) as package:
            (package.folder / "text.txt").write_text("文本" * 1000, "utf8")
            (package.folder / "text.txt").chmod(0o600 if name == "a" else 0o644)
            package.add("text.txt")
            package.seal({"number": "1"})
        archives.append(archive.read_bytes())
    assert archives[0] == archives[1]
