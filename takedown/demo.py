"""``demo``: the whole job on the bundled mini-web, with two demonstration accounts in the place of people."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click
import yaml
from rich.markup import escape
from rich.table import Table

from classifier.judge import Judge
from crawler.egress import ConnectTo
from crawler.seeds import read_seeds
from data.facts import ROOT, basis_on, taxonomy
from data.records import Hit, State, User
from data.store import Store
from reports import Issuer, refer, verify
from review import accounts, flow
from review.rules import Proposal
from takedown.collect import collect, hit_table, score_captures
from takedown.console import out
from takedown.demoweb import serve_sites
from takedown.people import serve_desk

WEB = ROOT / "demoweb"
MARKER = "这是演示目录，每次运行 takedown demo 都会清空重建.txt"
# 237号 was in force on this day; a demonstration pins its own date, for the basis of today has no official text yet.
CONDUCT = date(2025, 11, 24)

ISSUER = Issuer("演示省地方金融管理局（演示）", "演金管函", "演示联系人", "000-00000000")
PEOPLE = (("demo-jia", "演示员甲"), ("demo-yi", "演示员乙"))


@click.command(epilog="例：takedown demo --no-serve")
@click.option("--no-serve", is_flag=True, help="完成后结束，不启动审核台。")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="审核台端口。")
@click.pass_obj
def demo(home: Path, no_serve: bool, port: int) -> None:
    """演示：在自带的小型网站群上完成采集、评分、两人确认、移送与校验的全过程。"""
    home = fresh(home / "demo")
    stages: list[tuple[str, str, float]] = []
    truth = yaml.safe_load((WEB / "truth.yml").read_text("utf8"))
    with Store(home) as store:
        judge = Judge()
        with stage(stages, "采集") as told, serve_sites(WEB / "sites") as web:
            run = collect(
                store,
                read_seeds(WEB / "seeds.txt"),
                judge,
                outward=True,
                connect_to=(ConnectTo("", "", "127.0.0.1", str(web)),),
                delay=0.0,
            )
            hosts = {capture.final_url.split("/")[2] for capture in store.captures()}
            told.append(f"{run.report['counts']['done']} 页、{len(hosts)} 个主机，渲染 {run.report['rendered']} 页")
        with stage(stages, "评分") as told:
            scored = score_captures(store, judge, rescore=False)
            told.append(f"{scored} 条记录，{len(store.cases(State.OPEN))} 件待审")
        with stage(stages, "两人确认") as told:
            password = secrets.token_urlsafe(9)
            first, second = (
                accounts.create(store, name, display, "reviewer", password, demo=True) for name, display in PEOPLE
            )
            approved, dismissed = decide(store, truth, first, second)
            told.append(f"批准 {approved} 件，排除 {dismissed} 件（演示账号代行，仅作演示）")
        out.print(hit_table(list(store.hits(0.5)), 0.5))
        with stage(stages, "移送") as told:
            made = refer(store, home, home / "packages", ISSUER, authority=None, on=datetime.now(UTC))
            told.append("；".join(f"{referral.number} {len(referral.case_ids)} 件" for referral in made))
        with stage(stages, "校验") as told:
            findings = [finding for referral in made for finding in verify(Path(referral.package))]
            told.append("完好" if not findings else "；".join(findings))
        result = compare(store, truth)
    table = Table("环节", "结果", "用时", title="演示完成", title_justify="left")
    for name, told_text, seconds in stages:
        table.add_row(name, escape(told_text), f"{seconds:.1f} 秒")
    table.add_row("对照", escape(result), "")
    out.print(table)
    out.print(f"移送材料：{escape(str(home / 'packages'))}", soft_wrap=True)
    if findings:
        raise click.exceptions.Exit(1)
    if not no_serve:
        out.print(f"演示账号 {PEOPLE[0][0]}、{PEOPLE[1][0]}，本次密码：{password}。按 Ctrl-C 结束。")
        serve_desk(home, "127.0.0.1", port)


def fresh(home: Path) -> Path:
    """An empty folder for the demonstration; only a folder that a demonstration made is ever emptied."""
    if home.exists() and any(home.iterdir()) and not (home / MARKER).exists():
        raise click.ClickException(f"{home} 不是演示目录，未作改动；请用 --home 指定别处。")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    (home / MARKER).touch()
    return home


@contextmanager
def stage(stages: list[tuple[str, str, float]], name: str) -> Iterator[list[str]]:
    """Time a stage and keep what it tells."""
    told: list[str] = []
    started = time.perf_counter()
    yield told
    stages.append((name, "".join(told), time.perf_counter() - started))


def decide(store: Store, truth: dict[str, Any], first: User, second: User) -> tuple[int, int]:
    """What careful people would decide, as the web's own answer sheet says: confirm the offers, dismiss the rest.

    Returns how many cases were approved and how many dismissed.
    """
    offers = {f"{target['kind']}:{target['identity']}" for target in truth["targets"] if target["positive"]}
    approved = dismissed = 0
    for case in store.cases(State.OPEN):
        hit = store.hit(case.target.key)
        flow.claim(store, case.id, first)
        if case.target.key in offers:
            flow.propose(store, case.id, first, proposal(hit))
            flow.approve(store, case.id, second, hit.digest)
            approved += 1
        else:
            flow.dismiss(store, case.id, first, "innocent", hit.digest, "演示：页面并非经营或招揽。")
            dismissed += 1
    return approved, dismissed


def proposal(hit: Hit) -> Proposal:
    """The demonstration proposal: the model's own indicators, the clause of the strongest role, a plain reason."""
    facts = taxonomy()
    basis = basis_on(CONDUCT)
    assert basis is not None
    likely = [name for name, probability in hit.indicators.items() if probability >= 0.5]
    chosen = likely or [max(hit.indicators, key=lambda name: hit.indicators[name])]
    return Proposal(
        tuple(chosen),
        basis.id,
        "（十）",
        CONDUCT.isoformat(),
        "offer",
        f"（演示）页面提供或推介{'、'.join(facts.indicators[name].zh for name in chosen)}，见所附截图与标注文字。",
        hit.digest,
    )


def compare(store: Store, truth: dict[str, Any]) -> str:
    """What the hits were, held against the web's answer sheet."""
    offers = {f"{t['kind']}:{t['identity']}" for t in truth["targets"] if t["positive"]}
    innocent = {f"{t['kind']}:{t['identity']}" for t in truth["targets"] if not t["positive"]}
    hits = {hit.target.key for hit in store.hits(0.5)}
    missed = sorted(offers - hits)
    text = f"应命中 {len(offers)} 个对象，命中 {len(offers & hits)} 个；无辜对象 {len(innocent)} 个，误列待审 {len(innocent & hits)} 个"
    return text + (f"；未命中：{'、'.join(missed)}" if missed else "")
