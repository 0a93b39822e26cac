"""Hits are asked for again as other visitors, by the real command: what differs is named, and both sides are kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cloaks import SITES, Town, serve_cloaks
from conftest import crawl_arguments, seed_file, takedown

from data.archive import read_piece
from data.records import Capture, Contrast
from data.store import Store

HOSTS = ("phone-403.test", "phone-innocent.test", "wechat-403.test", "offer-to-all.test", "plain.test")


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with serve_cloaks() as running:
        yield running


@pytest.fixture(scope="module")
def told(town: Town, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    home = tmp_path_factory.mktemp("visits")
    result = takedown(home, *crawl_arguments(seed_file(home, *HOSTS), town.port))
    assert result.returncode == 0, result.stderr
    return home, result.stdout


def contrasts(home: Path) -> dict[str, Contrast]:
    with Store(home) as store:
        return {told.url.split("/")[2]: told for told in store.contrasts(run_id=store.runs()[0].id)}


def captures(home: Path) -> dict[str, Capture]:
    with Store(home) as store:
        return {capture.id: capture for capture in store.captures()}


def test_every_hit_is_asked_for_and_what_decides_is_named(told: tuple[Path, str]) -> None:
    found = contrasts(told[0])
    assert {host: told.variable for host, told in found.items()} == {
        host: SITES[host].variable for host in HOSTS if host != "plain.test"
    }
    assert "以不同访客再访命中的对象 4 个：内容因访客而异 3 个，自身多变 0 个" in told[1]
    assert "用户代理（微信）" in found["wechat-403.test"].sentences[0]


def test_both_sides_are_kept(told: tuple[Path, str]) -> None:
    home, _ = told
    kept = captures(home)
    sides = {side.visitor: side for side in contrasts(home)["phone-innocent.test"].sides}
    assert set(sides) == {"desktop", "phone", "wechat", "search"}
    desktop, phone = (kept[sides[name].capture_id] for name in ("desktop", "phone"))
    assert "邀请码" in desktop.text
    assert "草莓园" in phone.text
    assert phone.screenshot is not None
    assert read_piece(home, phone.screenshot).startswith(b"\x89PNG")
    assert read_piece(home, phone.payload)
    refused = {side.visitor: side.status for side in contrasts(home)["phone-403.test"].sides}
    assert refused == {"desktop": 200, "phone": 403, "wechat": 403, "search": 200}


def test_what_other_visitors_were_shown_is_no_evidence_for_the_case(told: tuple[Path, str]) -> None:
    home, _ = told
    assert takedown(home, "score").returncode == 0
    with Store(home) as store:
        hit = store.hit("site:phone-innocent.test")
        assert [capture.profile for capture, _ in hit.evidence] == ["desktop"]
        shown = {side.capture_id for told in contrasts(home).values() for side in told.sides}
        assert not shown & {capture.id for capture, _ in hit.evidence}
        # The other side was judged too, for whoever looks at the difference.
        phone = next(side for side in contrasts(home)["phone-innocent.test"].sides if side.visitor == "phone")
        judged = store.score(phone.capture_id)
        assert judged is not None
        assert judged.score < hit.score


def test_an_office_can_do_without(town: Town, tmp_path: Path) -> None:
    result = takedown(tmp_path, *crawl_arguments(seed_file(tmp_path, HOSTS[0]), town.port, "--no-visitors"))
    assert result.returncode == 0, result.stderr
    assert contrasts(tmp_path) == {}
