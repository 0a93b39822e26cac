"""Refer: approved cases, grouped by authority, numbered, packed and recorded."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from data.facts import Authority, authorities
from data.records import Decision, Referral, State, Verdict
from data.store import StaleCase, Store, now
from reports.dossier import Dossier, ReferralError, Unfit, assemble, decided
from reports.evidence import write_evidence
from reports.index import Index
from reports.letter import Issuer, write_letter
from reports.package import Package
from reports.plain import SHANGHAI, local, plain
from reports.sheet import write_csv, write_xlsx
from reports.workshop import sweep, workshop


class NothingApproved(ReferralError):
    """No approved case waits to be referred (to that authority)."""


class UnknownAuthority(ReferralError):
    """No authority has that id or name; the message lists those that exist."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The cases that go to one authority in one letter, best score first."""

    authority: Authority
    dossiers: tuple[Dossier, ...]


def refer(
    store: Store,
    home: Path,
    out: Path,
    issuer: Issuer,
    *,
    authority: str | None,
    on: datetime,
    leave_out: Collection[int] = (),
) -> list[Referral]:
    """Make one package (a folder and a zip) per authority in ``out`` for the approved cases, dated ``on`` (aware).

    Every check of every case is done before the first file is written. Each authority's number, record and moved
    cases are committed together, once its package is complete (``workshop`` tells how a crash is survived); two
    runs at once cannot give a number twice or refer a case twice. ``leave_out`` names cases to pass over.

    Raises ``NothingApproved``, ``UnknownAuthority``, ``Unfit``, ``ReferralError`` when ``out`` cannot be written or
    holds a package of that number, ``data.archive.EvidenceError`` when an archive changes under way, and ``StaleCase``
    when a case does.
    """
    out = out.resolve()
    for folder in {out, *(Path(referral.package).parent for referral in store.referrals())}:
        sweep(store, folder)
    batches = plan(store, home, authority=authority, leave_out=leave_out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        return [_issue(store, home, out, issuer, batch, on) for batch in batches]
    except OSError as error:
        raise ReferralError(
            f"{error.filename or out} 无法读写（{error.strerror}），请检查权限和磁盘空间后重试。"
        ) from error


def plan(store: Store, home: Path, *, authority: str | None, leave_out: Collection[int] = ()) -> list[Batch]:
    """What ``refer`` would send to whom, and why, all checks done and nothing written. Raises as ``refer`` does."""
    wanted = _named(authority) if authority is not None else None
    dossiers, faults = [], []
    for case in store.cases(State.APPROVED):
        if case.id in leave_out:
            continue
        try:
            dossiers.append(assemble(store, home, case))
        except Unfit as fault:
            faults.append(f"案件{case.id}（{plain(case.target.identity, 80)}）：{fault}")
    if faults:
        raise Unfit("\n".join(faults))
    batches = [
        Batch(addressee, tuple(d for d in dossiers if d.route.authority.id == addressee.id))
        for addressee in authorities()
        if wanted in (None, addressee)
    ]
    batches = [batch for batch in batches if batch.dossiers]
    if not batches:
        whom = f"主送{wanted.name}的" if wanted else ""
        raise NothingApproved(f"没有{whom}已批准待移送的案件；请先在审核台由两人分别提出和批准。")
    return batches


def _named(authority: str) -> Authority:
    for known in authorities():
        if authority in (known.id, known.name):
            return known
    known_names = "、".join(f"{known.id}（{known.name}）" for known in authorities())
    raise UnknownAuthority(f"没有名为“{plain(authority, 60)}”的主管部门，可用的有：{known_names}。")


def _issue(store: Store, home: Path, out: Path, issuer: Issuer, batch: Batch, on: datetime) -> Referral:
    dossiers, addressee = batch.dossiers, batch.authority
    with (
        workshop(store, out) as bench,
        Package(bench / "package", bench / "package.zip", on) as package,
    ):
        # What does not need the number is written first, so that the store is locked only for a moment.
        places = _write_evidence(store, home, package, issuer, batch, on)
        write_xlsx(package.folder / "list.xlsx", dossiers)
        write_csv(package.folder / "list.csv", dossiers)
        package.add("list.xlsx")
        package.add("list.csv")
        with store.transaction():
            for dossier in dossiers:
                _unchanged(store, dossier)
            year = on.astimezone(SHANGHAI).year
            sequence = store.next_sequence(issuer.code, year)
            bases = ",".join(sorted({dossier.basis.id for dossier in dossiers}))
            ids = tuple(dossier.case.id for dossier in dossiers)
            referral = Referral(issuer.code, year, sequence, addressee.id, bases, on, ids, "", "")
            name = f"{referral.number}-{addressee.name}"
            if (out / name).exists() or (out / f"{name}.zip").exists():
                raise ReferralError(
                    f"{out} 中已有 {name}，但库中没有这一文号；请核对库是否由旧备份恢复，再移开该资料包。"
                )
            write_letter(package.folder / "letter.docx", referral.number, addressee, issuer, dossiers, on)
            package.add("letter.docx")
            digest = package.seal(_description(referral, issuer, batch, places))
            (bench / "package").rename(bench / name)
            (bench / "package.zip").rename(bench / f"{name}.zip")
            os.sync()
            referral = replace(referral, package=str(out / name), manifest_sha256=digest)
            store.save_referral(referral)
            for dossier in dossiers:
                store.decide(_sent(dossier, referral, addressee), {State.APPROVED}, State.REFERRED)
    return referral


def _write_evidence(
    store: Store, home: Path, package: Package, issuer: Issuer, batch: Batch, on: datetime
) -> dict[int, list[dict[str, str]]]:
    """Write the evidence and the page that shows it; returns the exhibits of each case by its id."""
    places: dict[int, list[dict[str, str]]] = {}
    demo = any(dossier.demo for dossier in batch.dossiers)
    with closing(Index(package.folder / "index.html", batch.authority.name, issuer.name, on, demo)) as index:
        for number, dossier in enumerate(batch.dossiers, 1):
            exhibits = list(write_evidence(store, home, package.folder, number, dossier))
            for exhibit in exhibits:
                for file in exhibit.files:
                    package.add(f"{exhibit.folder}/{file}")
            index.add(number, dossier, exhibits)
            places[dossier.case.id] = [
                {"number": exhibit.number, "capture": exhibit.capture.id, "folder": exhibit.folder}
                for exhibit in exhibits
            ]
    package.add("index.html")
    return places


def _unchanged(store: Store, dossier: Dossier) -> None:
    case = store.case(dossier.case.id)
    if case.state is not State.APPROVED or decided(store, case.id) != (dossier.proposal, dossier.approval):
        raise StaleCase(f"案件{case.id}在制作资料包期间有了新的决定，本次未移送；请重新运行。")


def _sent(dossier: Dossier, referral: Referral, addressee: Authority) -> Decision:
    """The record on the case that it was sent, by the program, on the evidence that was approved."""
    return Decision(
        case_id=dossier.case.id,
        actor="system",
        verdict=Verdict.REFER,
        evidence_sha256=dossier.approval.evidence_sha256,
        decided_at=now(),
        basis=dossier.basis.id,
        clause=dossier.proposal.clause,
        reason=f"以{referral.number}移送{addressee.name}",
        conduct_on=dossier.proposal.conduct_on,
        captures=dossier.captures,
    )


def _description(
    referral: Referral, issuer: Issuer, batch: Batch, places: dict[int, list[dict[str, str]]]
) -> dict[str, Any]:
    """The manifest but for its files."""
    return {
        "number": referral.number,
        "issued_at": {"utc": referral.issued_at.isoformat(), "shanghai": local(referral.issued_at)},
        "issuer": {"name": issuer.name, "code": issuer.code, "contact": issuer.contact, "phone": issuer.phone},
        "authority": {"id": batch.authority.id, "name": batch.authority.name, "channel": batch.authority.channel},
        "demonstration": any(dossier.demo for dossier in batch.dossiers),
        "bases": list(_bases(batch.dossiers)),
        "cases": [
            {
                "number": number,
                "case": dossier.case.id,
                "kind": dossier.case.target.kind,
                "identity": dossier.case.target.identity,
                "title": dossier.case.target.title,
                "score": dossier.case.score,
                "evidence_sha256": dossier.approval.evidence_sha256,
                "exhibits": places[dossier.case.id],
                "route": {"filing": dossier.route.filing, "reason": dossier.route.reason},
                "proposed": {**_decision(dossier.proposal), "name": dossier.proposer},
                "approved": {**_decision(dossier.approval), "name": dossier.approver},
            }
            for number, dossier in enumerate(batch.dossiers, 1)
        ],
    }


def _bases(dossiers: Sequence[Dossier]) -> Iterator[dict[str, Any]]:
    for basis in {dossier.basis.id: dossier.basis for dossier in dossiers}.values():
        cited = {clause.id for d in dossiers if d.basis.id == basis.id for clause in d.clauses}
        yield {
            "id": basis.id,
            "number": basis.number,
            "title": basis.title,
            "effective_from": str(basis.effective_from),
            "effective_until": str(basis.effective_until) if basis.effective_until else None,
            "clauses": [clause.id for clause in basis.clauses if clause.id in cited],
        }


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "actor": decision.actor,
        "decided_at": {"utc": decision.decided_at.isoformat(), "shanghai": local(decision.decided_at)},
        "evidence_sha256": decision.evidence_sha256,
        "indicators": list(decision.indicators),
        "basis": decision.basis,
        "clause": decision.clause,
        "conduct_on": decision.conduct_on,
        "stance": decision.stance,
        "reason": decision.reason,
        "suggested": dict(decision.suggested),
    }
