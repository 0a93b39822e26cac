"""Accounts and sessions: argon2 passwords, lock-out that backs off, sessions that can be ended.

Raises ``LogInRefused`` at the door and ``RuleBroken`` where an account is not made as it must be.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Semaphore

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from data.records import User
from data.store import Store, now
from review.flow import SYSTEM
from review.refusal import LogInRefused, RuleBroken
from review.rights import ROLES, Right, may

PASSWORD_LENGTH = 10
SESSION_LASTS = timedelta(hours=12)
FAILURES_COUNT_FOR = timedelta(minutes=15)
FAILURES_ALLOWED = 5
FIRST_WAIT = timedelta(minutes=1)

_hasher = PasswordHasher()
_nobody = _hasher.hash(secrets.token_hex())  # verified for unknown names, so that they take as long as known ones
_hashing = Semaphore(2)  # a hash takes 64 MiB: a flood of log-ins must not take the machine's memory


def create(store: Store, name: str, display: str, role: str, password: str, demo: bool = False) -> User:
    """Add an account. ``name`` is what one logs in with, ``display`` what colleagues and letters show."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,31}", name) or name == SYSTEM:
        raise RuleBroken("账号名须为 2 至 32 个小写字母、数字、点、横线或下划线，且不能是“{name}”。", name=name)
    if store.user(name):
        raise RuleBroken("已有名为“{name}”的账号；请换一个名字，或修改原有账号。", name=name)
    user = User(name, _display(display), _role(role), _hash(password), demo=demo)
    store.save_user(user)
    return user


def change(
    store: Store,
    name: str,
    *,
    display: str | None = None,
    role: str | None = None,
    password: str | None = None,
    active: bool | None = None,
) -> User:
    """Change what is given. Ends the person's sessions, so that the change holds at once and everywhere."""
    user = store.user(name)
    if user is None:
        raise RuleBroken("没有名为“{name}”的账号。", name=name)
    changed = replace(
        user,
        display=user.display if display is None else _display(display),
        role=user.role if role is None else _role(role),
        password_hash=user.password_hash if password is None else _hash(password),
        active=user.active if active is None else active,
    )
    with store.transaction():
        others = [other for other in store.users() if other.name != name]
        if may(user, Right.ACCOUNTS) and not any(may(each, Right.ACCOUNTS) for each in (changed, *others)):
            raise RuleBroken("“{name}”是最后一位管理员；请先任命另一位。", name=name)
        store.save_user(changed)
        store.end_sessions(user=name)
        if password is not None:
            store.forget_failures(name)
    return changed


def log_in(store: Store, name: str, password: str) -> str:
    """The token of a new session, twelve hours long; only its SHA-256 is stored.

    After five failures within fifteen minutes a name must wait: one minute, and twice as long after each failure more.
    """
    name = name.strip()[:64]
    with store.transaction():
        if (until := waits_until(store, name)) > now():
            seconds = round((until - now()).total_seconds()) + 1
            raise LogInRefused("失败次数太多，请在 {seconds} 秒后再试，或请管理员重设密码。", seconds=seconds)
        # Counted before the password is looked at, so that guesses made side by side are counted too.
        store.note_failure(name)
    user = store.user(name)
    if not _matches(user.password_hash if user else _nobody, password) or user is None or not user.active:
        raise LogInRefused("账号或密码不对。请核对后再试。")
    store.forget_failures(name)
    if _hasher.check_needs_rehash(user.password_hash):
        store.save_user(replace(user, password_hash=_hasher.hash(password)))
    token = secrets.token_urlsafe(32)
    store.save_session(_digest(token), name, now() + SESSION_LASTS)
    return token


def waits_until(store: Store, name: str) -> datetime:
    """When the name may next try to log in; a time that has passed when it may now."""
    failures = store.failures(name, now() - FAILURES_COUNT_FOR)
    if len(failures) < FAILURES_ALLOWED:
        return now()
    return failures[-1] + min(FIRST_WAIT * (1 << len(failures) - FAILURES_ALLOWED), FAILURES_COUNT_FOR)


def who(store: Store, token: str) -> User | None:
    """The person of a session that has not ended."""
    return store.session_user(_digest(token)) if token else None


def log_out(store: Store, token: str) -> None:
    """End the session: its token opens nothing any more."""
    store.end_sessions(token_sha256=_digest(token))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _hash(password: str) -> str:
    if len(password) < PASSWORD_LENGTH:
        raise RuleBroken("密码至少要有 {length} 个字符。", length=PASSWORD_LENGTH)
    return _hasher.hash(password)


def _matches(password_hash: str, password: str) -> bool:
    with _hashing:
        try:
            return _hasher.verify(password_hash, password)
        except VerificationError:
            return False


def _display(display: str) -> str:
    if not 1 <= len(display.strip()) <= 40:
        raise RuleBroken("姓名须为 1 至 40 个字符。")
    return display.strip()


def _role(role: str) -> str:
    if role not in ROLES:
        raise RuleBroken("没有角色“{role}”；可选的有：{known}。", role=role, known="、".join(ROLES))
    return role
