"""Where a package is built, so that a crash leaves nothing half-made under a final name.

A package is built in a locked folder ``.refer-…`` beside its final place. Its number is committed to the store while
the finished, flushed package lies there; only then is it renamed. So at any instant:

- before the commit there is neither number nor package: the workshop is rubbish, and the next ``sweep`` removes it;
- after the commit there are both: if the program died before the renaming, the next ``sweep`` does it.

The commit is the one moment that counts, and SQLite makes that atomic. The lock tells a workshop in use from one
whose process died: the operating system drops it with the process.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.store import Store

_PREFIX, _LOCK = ".refer-", ".lock"


@contextmanager
def workshop(store: Store, out: Path) -> Iterator[Path]:
    """A folder of one's own in ``out``. On leaving, its numbered package is published and everything else removed."""
    with store.transaction():  # keeps sweepers away until the lock is held
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=out))
        lock = (folder / _LOCK).open("wb")
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        lock.close()
        sweep(store, out)


def sweep(store: Store, out: Path) -> None:
    """Publish the numbered packages that abandoned workshops in ``out`` hold, then remove those workshops."""
    with store.transaction():
        numbered = {Path(referral.package) for referral in store.referrals()}
        for folder in out.glob(f"{_PREFIX}*"):
            with (folder / _LOCK).open("ab") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                for made in sorted(folder.iterdir()):
                    final = out / made.name
                    if final.with_name(final.name.removesuffix(".zip")) in numbered:
                        made.rename(final)
                shutil.rmtree(folder)
