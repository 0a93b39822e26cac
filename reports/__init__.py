"""Refer: confirmed cases go to the authority that can close them, with evidence that stands on its own."""

from reports.dossier import ReferralError, Unfit
from reports.letter import Issuer
from reports.referral import NothingApproved, UnknownAuthority, plan, refer
from reports.verify import NotAPackage, verify

__all__ = [
    "Issuer",
    "NotAPackage",
    "NothingApproved",
    "ReferralError",
    "Unfit",
    "UnknownAuthority",
    "plan",
    "refer",
    "verify",
]
