"""The history of the database: each migration is applied in the transaction that records it, and never edited after."""

from __future__ import annotations

from sqlite_utils import Database, Migrations

history = Migrations("takedown")


@history(name="0001_ground")
def ground(db: Database) -> None:
    for statement in (
        # Where a record is appended and never edited, it is kept whole as JSON beside the columns that are searched.
        """CREATE TABLE runs (
            id TEXT PRIMARY KEY, started_at TEXT NOT NULL, finished_at TEXT, record TEXT NOT NULL)""",
        """CREATE TABLE targets (
            key TEXT PRIMARY KEY, kind TEXT NOT NULL, identity TEXT NOT NULL, title TEXT NOT NULL,
            facts TEXT NOT NULL, first_seen TEXT NOT NULL, last_seen TEXT NOT NULL)""",
        """CREATE TABLE captures (
            id TEXT PRIMARY KEY, run_id TEXT NOT NULL REFERENCES runs(id), url TEXT NOT NULL,
            fetched_at TEXT NOT NULL, record TEXT NOT NULL)""",
        "CREATE INDEX captures_url ON captures(url, fetched_at)",
        """CREATE TABLE evidence (
            target TEXT NOT NULL REFERENCES targets(key), capture_id TEXT NOT NULL REFERENCES captures(id),
            PRIMARY KEY (target, capture_id)) WITHOUT ROWID""",
        """CREATE TABLE scores (
            capture_id TEXT NOT NULL REFERENCES captures(id), model TEXT NOT NULL, score REAL NOT NULL,
            scored_at TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (capture_id, model))""",
        """CREATE TABLE cases (
            id INTEGER PRIMARY KEY, target TEXT NOT NULL UNIQUE REFERENCES targets(key), state TEXT NOT NULL,
            score REAL NOT NULL, claimed_by TEXT NOT NULL DEFAULT '', claimed_until TEXT,
            opened_at TEXT NOT NULL, changed_at TEXT NOT NULL, evidence_sha256 TEXT NOT NULL DEFAULT '')""",
        "CREATE INDEX cases_queue ON cases(state, score)",
        """CREATE TABLE decisions (
            id INTEGER PRIMARY KEY, case_id INTEGER NOT NULL REFERENCES cases(id), record TEXT NOT NULL)""",
        "CREATE INDEX decisions_case ON decisions(case_id)",
        """CREATE TABLE users (
            name TEXT PRIMARY KEY, display TEXT NOT NULL, role TEXT NOT NULL, password_hash TEXT NOT NULL,
            active INTEGER NOT NULL, demo INTEGER NOT NULL)""",
        """CREATE TABLE sessions (
            token_sha256 TEXT PRIMARY KEY, user TEXT NOT NULL REFERENCES users(name), expires_at TEXT NOT NULL)""",
        "CREATE TABLE failures (user TEXT NOT NULL, failed_at TEXT NOT NULL)",
        """CREATE TABLE referrals (
            issuer TEXT NOT NULL, year INTEGER NOT NULL, sequence INTEGER NOT NULL, record TEXT NOT NULL,
            PRIMARY KEY (issuer, year, sequence))""",
        # What happened is appended; not even this program may change it afterwards.
        """CREATE TRIGGER decisions_stay BEFORE UPDATE ON decisions
            BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END""",
        """CREATE TRIGGER decisions_keep BEFORE DELETE ON decisions
            BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END""",
    ):
        db.execute(statement)


@history(name="0002_contrasts")
def contrasts(db: Database) -> None:
    db.execute(
        "CREATE TABLE contrasts (url TEXT NOT NULL, run_id TEXT NOT NULL REFERENCES runs(id), record TEXT NOT NULL,"
        " PRIMARY KEY (url, run_id)) WITHOUT ROWID"
    )
