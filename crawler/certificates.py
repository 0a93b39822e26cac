"""The certificates a server presents: what they say, and what a browser would hold against them."""

from __future__ import annotations

import hashlib
import ipaddress
import ssl
import sys
from collections.abc import Iterator
from datetime import datetime
from functools import cache

import certifi
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from data.records import Certificate

NAMES_KEPT = 100


def presented(connection: ssl.SSLObject) -> tuple[bytes, ...]:
    """The chain as it was sent, the server's own certificate first, in DER; nothing of it is verified."""
    if sys.version_info >= (3, 13):
        return tuple(connection.get_unverified_chain())
    # Python 3.10 to 3.12 have it, not yet under a public name.
    chain = connection._sslobj.get_unverified_chain() or ()  # type: ignore[attr-defined]
    return tuple(ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in chain)


def described(der: bytes) -> Certificate:
    """What a certificate says; of one that cannot be read, only its digest."""
    sha256 = hashlib.sha256(der).hexdigest()
    try:
        certificate = x509.load_der_x509_certificate(der)
        return Certificate(
            sha256,
            certificate.subject.rfc4514_string(),
            certificate.issuer.rfc4514_string(),
            f"{certificate.serial_number:x}",
            certificate.not_valid_before_utc,
            certificate.not_valid_after_utc,
            _names(certificate)[:NAMES_KEPT],
        )
    except (ValueError, x509.DuplicateExtension):
        return Certificate(sha256)


def faults(chain: tuple[bytes, ...], host: str, at: datetime) -> Iterator[str]:
    """What a browser would hold against the chain, for this host at this time; nothing when it would be content.

    Roots are Mozilla's, as certifi ships them: the same on every machine.
    """
    own = described(chain[0])
    if own.not_before is None or own.not_after is None:
        yield "证书无法解析"
        return
    if not own.not_before <= at <= own.not_after:
        yield "证书不在有效期内"
    if not _is_for(host, own.names):
        yield f"证书不是颁发给 {host} 的"
    if own.subject == own.issuer:
        yield "证书为自签名"
        return
    try:
        parsed = [x509.load_der_x509_certificate(der) for der in chain]
        subject = own.names[0].removeprefix("*.") if own.names else ""
        # The name and the time were judged above: here only whether the chain leads to a root.
        policy = PolicyBuilder().store(_roots()).time(min(max(at, own.not_before), own.not_after))
        name = _address(subject) or x509.DNSName(f"x.{subject}" if own.names[:1] == (f"*.{subject}",) else subject)
        policy.build_server_verifier(name).verify(parsed[0], parsed[1:])
    except (VerificationError, ValueError, x509.DuplicateExtension):
        yield "证书链不能追溯到受信任的根"


@cache
def _roots() -> Store:
    with open(certifi.where(), "rb") as bundle:  # noqa: PTH123
        return Store(x509.load_pem_x509_certificates(bundle.read()))


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The hosts a certificate is for (its subject alternative names; the common name has not counted for years)."""
    try:
        listed = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return (
        *listed.get_values_for_type(x509.DNSName),
        *(str(address) for address in listed.get_values_for_type(x509.IPAddress)),
    )


def _is_for(host: str, names: tuple[str, ...]) -> bool:
    """RFC 9525, 6.3: a wildcard stands for exactly one label, the first."""
    wild = f"*.{host.partition('.')[2]}"
    return any(name.lower() in (host, wild) for name in names)


def _address(name: str) -> x509.IPAddress | None:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return None
