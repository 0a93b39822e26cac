"""The store: the only module that speaks SQL (``schema`` holds the tables' history, the frontier keeps its own).

SQLite in WAL mode through sqlite-utils. Records that are never edited are stored whole, as JSON, beside the columns
they are searched by. A ``Store`` belongs to one thread; opening another on the same file is cheap.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from sqlite_utils import Database

from data.records import Capture, Case, Contrast, Decision, Hit, Kind, Referral, Run, Score, State, Target, User
from data.schema import history

_run, _capture, _score = TypeAdapter(Run), TypeAdapter(Capture), TypeAdapter(Score)
_contrast = TypeAdapter(Contrast)
_decision, _referral, _facts = TypeAdapter(Decision), TypeAdapter(Referral), TypeAdapter(dict[str, str])

# Databases this process has checked already: the check reads the whole file, once is enough.
_sound: set[Path] = set()
BACKUPS_KEPT = 3
EVIDENCE_SHOWN = 12


class StoreError(Exception):
    """The store cannot do what was asked; the message is a sentence for the person at the keyboard."""


class CorruptStore(StoreError):
    """The database file is damaged. The message names the newest backup, if there is one."""


class StaleCase(StoreError):
    """The case was no longer in the state the decision was made for: somebody else was faster."""


def now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)


class Store:
    """The records of one home folder (``var/`` by default): ``takedown.db`` and its backups.

    Raises ``CorruptStore`` when the file is not a sound SQLite database, ``StoreError`` when it cannot be opened.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.path = home / "takedown.db"
        try:
            home.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=30, check_same_thread=False)
        except sqlite3.OperationalError as error:
            raise StoreError(f"无法打开数据库 {self.path}（{error}）。") from error
        except OSError as error:
            raise StoreError(f"无法写入工作目录 {home}（{error.strerror}），请检查权限与磁盘空间。") from error
        try:
            self.db = Database(connection)
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
                self.db.execute(f"PRAGMA {pragma}")
            if history.pending(self.db):
                history.apply(self.db)
            elif self.path not in _sound and self.db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("quick_check failed")
            _sound.add(self.path)
        except sqlite3.DatabaseError as error:
            connection.close()
            if isinstance(error, sqlite3.OperationalError):
                raise StoreError(f"无法打开数据库 {self.path}（{error}）。") from error
            raise CorruptStore(self._damage(error)) from error

    def _damage(self, error: sqlite3.DatabaseError) -> str:
        backups = self.backups()
        if not backups:
            return f"数据库 {self.path} 已损坏（{error}），且没有备份；将其移走后可重新开始。"
        return (
            f"数据库 {self.path} 已损坏（{error}）。最新备份为 {backups[-1]}："
            f"请移走损坏的文件及其 -wal、-shm，再将备份复制为 {self.path}。"
        )

    def close(self) -> None:
        self.db.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, and alone: takes the write lock at once, so that what is read inside stays true."""
        connection = self.db.conn
        assert connection is not None
        if connection.in_transaction:
            yield connection
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.rollback()
            raise
        connection.commit()

    def _rows(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[dict[str, Any]]:
        return self.db.query(sql, tuple(parameters))

    def _one(self, sql: str, parameters: Sequence[Any] = ()) -> dict[str, Any] | None:
        return next(self._rows(sql, parameters), None)

    # -- backups ---------------------------------------------------------------------------------------------------

    def backups(self) -> list[Path]:
        """The backups of this home, oldest first."""
        return sorted((self.home / "backup").glob("takedown-*.db"))

    def backup(self) -> Path:
        """Write a consistent copy beside the database and keep the newest few."""
        folder = self.home / "backup"
        folder.mkdir(exist_ok=True)
        path = folder / f"takedown-{now():%Y%m%dT%H%M%S%f}.db"
        assert self.db.conn is not None
        try:
            with contextlib.closing(sqlite3.connect(path)) as copy:
                self.db.conn.backup(copy)
        except sqlite3.Error:
            # Half a copy would pass for the newest backup.
            path.unlink(missing_ok=True)
            raise
        for old in self.backups()[:-BACKUPS_KEPT]:
            old.unlink()
        return path

    # -- runs and captures -----------------------------------------------------------------------------------------

    def save_run(self, run: Run) -> None:
        """Add the run, or write what came of it."""
        finished = run.finished_at.isoformat() if run.finished_at else None
        with self.transaction() as sql:
            sql.execute(
                "INSERT INTO runs VALUES (?,?,?,?) ON CONFLICT(id) DO UPDATE SET"
                " finished_at=excluded.finished_at, record=excluded.record",
                (run.id, run.started_at.isoformat(), finished, _run.dump_json(run).decode()),
            )

    def run(self, run_id: str) -> Run:
        """Raises ``StoreError`` when there is no such run."""
        row = self._one("SELECT record FROM runs WHERE id=?", (run_id,))
        if row is None:
            raise StoreError(f"没有编号为 {run_id} 的采集任务。")
        return _run.validate_json(row["record"])

    def runs(self) -> list[Run]:
        """All runs, newest first."""
        return [
            _run.validate_json(row["record"]) for row in self._rows("SELECT record FROM runs ORDER BY started_at DESC")
        ]

    def save_capture(self, capture: Capture, targets: Iterable[Target]) -> None:
        """Commit the capture and what it is evidence about, once: a capture id already stored changes nothing."""
        with self.transaction() as sql:
            done = sql.execute(
                "INSERT OR IGNORE INTO captures VALUES (?,?,?,?,?)",
                (
                    capture.id,
                    capture.run_id,
                    capture.url,
                    capture.fetched_at.isoformat(),
                    _capture.dump_json(capture).decode(),
                ),
            )
            if done.rowcount == 0:
                return
            seen = capture.fetched_at.isoformat()
            for target in targets:
                sql.execute(
                    "INSERT INTO targets VALUES (?,?,?,?,?,?,?) ON CONFLICT(key) DO UPDATE SET"
                    " title=CASE WHEN excluded.title!='' AND targets.title='' THEN excluded.title ELSE title END,"
                    " facts=json_patch(targets.facts, excluded.facts), last_seen=excluded.last_seen",
                    (
                        target.key,
                        target.kind,
                        target.identity,
                        target.title,
                        _facts.dump_json(dict(target.facts)).decode(),
                        seen,
                        seen,
                    ),
                )
                sql.execute("INSERT OR IGNORE INTO evidence VALUES (?,?)", (target.key, capture.id))

    def link_evidence(self, key: str, run_id: str, kind: str, value: str) -> None:
        """Make every capture of the run that names this identifier evidence about the target (pages that offer an app)."""
        with self.transaction() as sql:
            sql.execute(
                "INSERT OR IGNORE INTO evidence SELECT ?, id FROM captures WHERE run_id=? AND EXISTS (SELECT 1 FROM"
                " json_each(record, '$.identifiers') WHERE value->>'kind'=? AND value->>'value'=?)",
                (key, run_id, kind, value),
            )

    def capture(self, capture_id: str) -> Capture:
        """Raises ``StoreError`` when there is no such capture."""
        row = self._one("SELECT record FROM captures WHERE id=?", (capture_id,))
        if row is None:
            raise StoreError(f"没有编号为 {capture_id} 的采集记录。")
        return _capture.validate_json(row["record"])

    def captures(self, run_id: str | None = None) -> Iterator[Capture]:
        """All captures, or one run's, in the order they were committed."""
        where, values = ("WHERE run_id=?", (run_id,)) if run_id else ("", ())
        for row in self._rows(f"SELECT record FROM captures {where} ORDER BY rowid", values):
            yield _capture.validate_json(row["record"])

    def save_contrast(self, contrast: Contrast) -> None:
        """What different visitors were shown of one page in one run; said again, it replaces what was said."""
        with self.transaction() as sql:
            sql.execute(
                "INSERT OR REPLACE INTO contrasts VALUES (?,?,?)",
                (contrast.url, contrast.run_id, _contrast.dump_json(contrast).decode()),
            )

    def contrasts(self, urls: Iterable[str] = (), run_id: str = "") -> list[Contrast]:
        """The newest contrast of each of these URLs, or all of one run."""
        if run_id:
            rows = self._rows("SELECT record FROM contrasts WHERE run_id=?", (run_id,))
            return [_contrast.validate_json(row["record"]) for row in rows]
        newest = "SELECT record FROM contrasts WHERE url=? ORDER BY run_id DESC LIMIT 1"
        found = (self._one(newest, (url,)) for url in dict.fromkeys(urls))
        return [_contrast.validate_json(row["record"]) for row in found if row]

    def count(self, table: str) -> int:
        """How many rows a table holds."""
        return self.db[table].count

    # -- scores and hits -------------------------------------------------------------------------------------------

    def unscored(self, model: str) -> Iterator[Capture]:
        """The captures that ``model`` has not judged yet."""
        ids = self._rows(
            "SELECT id FROM captures WHERE id NOT IN (SELECT capture_id FROM scores WHERE model=?) ORDER BY rowid",
            (model,),
        )
        for row in list(ids):
            yield self.capture(row["id"])

    def save_scores(self, scores: Iterable[Score]) -> None:
        """Store the scores in one transaction; a model's second judgement of a capture replaces its first."""
        with self.transaction() as sql:
            sql.executemany(
                "INSERT OR REPLACE INTO scores VALUES (?,?,?,?,?)",
                (
                    (s.capture_id, s.model, s.score, s.scored_at.isoformat(), _score.dump_json(s).decode())
                    for s in scores
                ),
            )

    # The newest capture of each URL with its newest score, beside the targets it is evidence about. What other visitors
    # were shown is evidence about none.
    _STANDING = """
        FROM evidence JOIN captures ON captures.id = evidence.capture_id JOIN scores ON scores.capture_id = captures.id
        WHERE fetched_at = (SELECT max(fetched_at) FROM captures AS other JOIN evidence AS its ON its.capture_id = other.id
            WHERE other.url = captures.url AND its.target = evidence.target)
        AND scored_at = (SELECT max(scored_at) FROM scores AS other WHERE other.capture_id = captures.id)
    """

    def hits(self, min_score: float = 0.0) -> Iterator[Hit]:
        """Targets whose best capture scores at least ``min_score``, best first."""
        sql = f"SELECT target, max(score) AS best {self._STANDING} GROUP BY target HAVING best >= ? ORDER BY best DESC, target"
        for row in list(self._rows(sql, (min_score,))):
            yield self.hit(row["target"])

    def hit(self, key: str) -> Hit:
        """One target with its best captures. Raises ``StoreError`` when nothing was captured or scored for it."""
        sql = (
            f"SELECT captures.record AS capture, scores.record AS score {self._STANDING} AND target = ?"
            " ORDER BY scores.score DESC, captures.id LIMIT ?"
        )
        evidence = tuple(
            (_capture.validate_json(row["capture"]), _score.validate_json(row["score"]))
            for row in self._rows(sql, (key, EVIDENCE_SHOWN))
        )
        if not evidence:
            raise StoreError(f"{key} 尚无已评分的采集记录。")
        best = evidence[0][1]
        # Weak pages of a strong target say nothing about it: only those at least half as sure stand as evidence.
        evidence = tuple(pair for pair in evidence if pair[1].score >= best.score / 2)
        indicators: dict[str, float] = {}
        for _, score in evidence:
            for name, probability in score.indicators.items():
                indicators[name] = max(probability, indicators.get(name, 0.0))
        return Hit(self.target(key), best.score, best.genre, indicators, evidence)

    def score(self, capture_id: str) -> Score | None:
        """The newest score of a capture, if it has one."""
        row = self._one("SELECT record FROM scores WHERE capture_id=? ORDER BY scored_at DESC LIMIT 1", (capture_id,))
        return _score.validate_json(row["record"]) if row else None

    def target(self, key: str) -> Target:
        """Raises ``StoreError`` when there is no such target."""
        row = self._one("SELECT * FROM targets WHERE key=?", (key,))
        if row is None:
            raise StoreError(f"没有对象 {key}。")
        return Target(
            Kind(row["kind"]),
            row["identity"],
            row["title"],
            _facts.validate_json(row["facts"]),
            datetime.fromisoformat(row["first_seen"]),
            datetime.fromisoformat(row["last_seen"]),
        )

    def targets(self) -> list[Target]:
        """All targets, oldest first."""
        return [self.target(row["key"]) for row in list(self._rows("SELECT key FROM targets ORDER BY rowid"))]

    # -- cases and decisions ---------------------------------------------------------------------------------------

    def open_case(self, key: str, score: float) -> None:
        """Open a case for the target, or note its new score."""
        at = now().isoformat()
        with self.transaction() as sql:
            sql.execute(
                "INSERT INTO cases (target, state, score, opened_at, changed_at) VALUES (?,?,?,?,?)"
                " ON CONFLICT(target) DO UPDATE SET score=excluded.score",
                (key, State.OPEN, score, at, at),
            )

    def _case(self, row: dict[str, Any]) -> Case:
        until = row["claimed_until"]
        return Case(
            row["id"],
            self.target(row["target"]),
            State(row["state"]),
            row["score"],
            row["claimed_by"],
            datetime.fromisoformat(until) if until else None,
            datetime.fromisoformat(row["opened_at"]),
            datetime.fromisoformat(row["changed_at"]),
            row["evidence_sha256"],
        )

    def case(self, case_id: int) -> Case:
        """Raises ``StoreError`` when there is no such case."""
        row = self._one("SELECT * FROM cases WHERE id=?", (case_id,))
        if row is None:
            raise StoreError(f"没有案件 {case_id}。")
        return self._case(row)

    def cases(self, *states: State) -> list[Case]:
        """The cases in any of these states (all, when none is named), best score first."""
        where = f"WHERE state IN ({','.join('?' * len(states))})" if states else ""
        rows = list(self._rows(f"SELECT * FROM cases {where} ORDER BY score DESC, id", states))
        return [self._case(row) for row in rows]

    def decide(
        self, decision: Decision, expect: Iterable[State], to: State, claimed_until: datetime | None = None
    ) -> Case:
        """Append the decision and move its case, together or not at all.

        ``claimed_until`` gives the case to the decision's actor until then; otherwise it is nobody's. Raises
        ``StaleCase`` when the case is not, or no longer, in one of the ``expect``-ed states.
        """
        with self.transaction() as sql:
            case = self.case(decision.case_id)
            if case.state not in set(expect):
                raise StaleCase(f"案件 {case.id} 的状态已变为 {case.state}，请重新查看后再决定。")
            sql.execute(
                "INSERT INTO decisions (case_id, record) VALUES (?,?)",
                (decision.case_id, _decision.dump_json(decision).decode()),
            )
            sql.execute(
                "UPDATE cases SET state=?, claimed_by=?, claimed_until=?, changed_at=?, evidence_sha256=? WHERE id=?",
                (
                    to,
                    decision.actor if claimed_until else "",
                    claimed_until.isoformat() if claimed_until else None,
                    decision.decided_at.isoformat(),
                    decision.evidence_sha256 or case.evidence_sha256,
                    decision.case_id,
                ),
            )
        return replace(case, state=to)

    def decisions(self, case_id: int) -> list[Decision]:
        """What was decided on the case, oldest first."""
        rows = self._rows("SELECT record FROM decisions WHERE case_id=? ORDER BY id", (case_id,))
        return [_decision.validate_json(row["record"]) for row in rows]

    # -- people ----------------------------------------------------------------------------------------------------

    def save_user(self, user: User) -> None:
        """Add an account or change it."""
        with self.transaction() as sql:
            sql.execute(
                "INSERT INTO users VALUES (?,?,?,?,?,?) ON CONFLICT(name) DO UPDATE SET display=excluded.display,"
                " role=excluded.role, password_hash=excluded.password_hash, active=excluded.active, demo=excluded.demo",
                (user.name, user.display, user.role, user.password_hash, user.active, user.demo),
            )

    def user(self, name: str) -> User | None:
        row = self._one("SELECT * FROM users WHERE name=?", (name,))
        return self._user(row) if row else None

    def users(self) -> list[User]:
        return [self._user(row) for row in self._rows("SELECT * FROM users ORDER BY name")]

    @staticmethod
    def _user(row: dict[str, Any]) -> User:
        return User(
            row["name"], row["display"], row["role"], row["password_hash"], bool(row["active"]), bool(row["demo"])
        )

    def save_session(self, token_sha256: str, user: str, expires_at: datetime) -> None:
        with self.transaction() as sql:
            sql.execute("INSERT INTO sessions VALUES (?,?,?)", (token_sha256, user, expires_at.isoformat()))

    def session_user(self, token_sha256: str) -> User | None:
        """The active user of a session that has not expired."""
        row = self._one(
            "SELECT users.* FROM sessions JOIN users ON users.name = sessions.user"
            " WHERE token_sha256=? AND expires_at>? AND active",
            (token_sha256, now().isoformat()),
        )
        return self._user(row) if row else None

    def end_sessions(self, *, token_sha256: str = "", user: str = "") -> None:
        """End one session, or every session of a user."""
        with self.transaction() as sql:
            sql.execute("DELETE FROM sessions WHERE token_sha256=? OR user=?", (token_sha256, user))

    def note_failure(self, user: str) -> None:
        """Remember a failed log-in."""
        with self.transaction() as sql:
            sql.execute("INSERT INTO failures VALUES (?,?)", (user, now().isoformat()))

    def failures(self, user: str, since: datetime) -> list[datetime]:
        """When log-ins failed since then, oldest first."""
        rows = self._rows(
            "SELECT failed_at FROM failures WHERE user=? AND failed_at>? ORDER BY failed_at", (user, since.isoformat())
        )
        return [datetime.fromisoformat(row["failed_at"]) for row in rows]

    def forget_failures(self, user: str) -> None:
        with self.transaction() as sql:
            sql.execute("DELETE FROM failures WHERE user=?", (user,))

    # -- referrals -------------------------------------------------------------------------------------------------

    def next_sequence(self, issuer: str, year: int) -> int:
        """The next free document number of the issuer in that year. Call inside the transaction that uses it."""
        row = self._one("SELECT max(sequence) AS last FROM referrals WHERE issuer=? AND year=?", (issuer, year))
        return int((row or {}).get("last") or 0) + 1

    def save_referral(self, referral: Referral) -> None:
        """Raises ``sqlite3.IntegrityError`` when the number was given away already."""
        with self.transaction() as sql:
            sql.execute(
                "INSERT INTO referrals VALUES (?,?,?,?)",
                (referral.issuer, referral.year, referral.sequence, _referral.dump_json(referral).decode()),
            )

    def referrals(self) -> list[Referral]:
        """All referrals, newest first."""
        rows = self._rows("SELECT record FROM referrals ORDER BY year DESC, sequence DESC")
        return [_referral.validate_json(row["record"]) for row in rows]
