"""Reading an Android package without running anything: who it says it is, and who signed it."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from pathlib import Path

from pyaxmlparser import APK

from data.records import Kind, Target

MAGIC = b"PK\x03\x04"


class BadPackage(Exception):
    """The file is not an Android package that can be read; the message says why."""


def read_apk(content: bytes | Path, url: str) -> Target:
    """The app target of an APK, as bytes or as a file: package and signer name it; label and version describe it. Raises ``BadPackage``.

    The signer's certificate digest is part of the facts, so that a re-signed copy can be told from the original.
    """
    logging.getLogger("pyaxmlparser").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        if isinstance(content, bytes):
            path = Path(folder) / "package.apk"
            path.write_bytes(content)
        else:
            path = content
        try:
            apk = APK(str(path))
            package, label = apk.package, apk.application
            version = f"{apk.version_name or ''} ({apk.version_code or ''})"
            certificates = (apk.get_certificate_der(name) for name in apk.get_signature_names())
            with path.open("rb") as stream:
                sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            signers = [hashlib.sha256(der).hexdigest() for der in certificates if der]
        except Exception as error:  # the parser raises whatever a hostile file provokes in it
            raise BadPackage(f"{url} 不是可读取的安卓安装包（{type(error).__name__}：{error}）") from error
    if not package:
        raise BadPackage(f"{url} 没有包名")
    facts = {
        "package": package,
        "label": str(label or "")[:120],
        "version": version.strip(),
        "download": url,
        "sha256": sha256,
        "signer_sha256": ",".join(signers),
    }
    return Target(Kind.APP, f"android:{package}", facts["label"], {k: v for k, v in facts.items() if v})
