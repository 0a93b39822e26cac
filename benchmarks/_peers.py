"""Environments of their own for what is measured beside us, kept beside the project's packages and gone with them."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
KEPT = Path(sys.prefix) / "peers"


def interpreter(*packages: str) -> Path:
    """The Python of an environment with these packages, made the first time."""
    folder = KEPT / packages[-1].partition("[")[0].partition("=")[0]
    mark = folder / "installed"
    if not mark.exists() or mark.read_text() != " ".join(packages):
        venv.create(folder, clear=True, with_pip=True)
        subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-qq", *packages], check=True)
        mark.write_text(" ".join(packages))
    return folder / "bin" / "python"
