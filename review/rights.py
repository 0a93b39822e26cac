"""Who may do what. Every flow function and every route of the desk names one of these rights."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from data.records import User
from review.refusal import NotAllowed


class Right(StrEnum):
    """What a role can be given."""

    ENTER = "enter"  # log in and out
    READ = "read"  # see the queue, the cases and their evidence
    REVIEW = "review"  # claim, propose, dismiss, undo, fill the queue
    APPROVE = "approve"  # approve or send back somebody else's proposal
    ACCOUNTS = "accounts"  # add people, change roles, set passwords


@dataclass(frozen=True, slots=True)
class Role:
    """A role with its name and its work in both languages, and the rights it has at the desk."""

    id: str
    zh: str
    en: str
    work: str
    may: frozenset[Right]


def _role(role_id: str, zh: str, en: str, work: str, *may: Right) -> tuple[str, Role]:
    return role_id, Role(role_id, zh, en, work, frozenset({Right.ENTER, *may}))


# Sources, crawls and packages are worked from the command line, so the officer and the exporter only read here.
ROLES: dict[str, Role] = dict(
    (
        _role("officer", "值班员", "Duty officer", "线索与抓取", Right.READ),
        _role("reviewer", "审核员", "Reviewer", "提出、排除、复核", Right.READ, Right.REVIEW, Right.APPROVE),
        _role("approver", "复核员", "Approver", "只复核他人的提议", Right.READ, Right.APPROVE),
        _role("exporter", "移送员", "Exporter", "生成并寄送移送材料", Right.READ),
        _role("auditor", "审计员", "Auditor", "只读", Right.READ),
        _role("admin", "管理员", "Administrator", "管理账号，不看案件", Right.ACCOUNTS),
    )
)


def may(user: User, right: Right) -> bool:
    """Whether the account is active and its role has the right. An unknown role has none."""
    return user.active and user.role in ROLES and right in ROLES[user.role].may


def require(user: User, right: Right) -> None:
    """Raises ``NotAllowed`` when the account does not have the right."""
    if not may(user, right):
        raise NotAllowed("您的角色“{role}”无权这样做，请由有此权限的同事办理。", role=ROLES.get(user.role, user.role))
