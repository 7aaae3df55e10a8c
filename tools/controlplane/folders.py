"""The folder of a control plane: held while its owner lives, swept by the next one after the owner was killed.

Called by `launching`. A temporary folder is removed at the end; one that the caller gave is kept, and never swept.
A sweep removes only folders of our own prefix and user whose lock nobody holds.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "placet-controlplane-"
_LOCK = "owner.lock"


@contextmanager
def held(given: Path | None) -> Iterator[Path]:
    """The absolute folder to run in: the given one (made with mode 0700), or a temporary one that goes afterwards."""
    if given is not None:
        given.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield given.resolve()
        return
    sweep()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()
    lock = _hold(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep() -> list[Path]:
    """Remove the folders that killed owners left behind; says which."""
    root = Path(tempfile.gettempdir()).resolve()
    stale = [folder for folder in root.glob(f"{_PREFIX}*") if _abandoned(folder)]
    for folder in stale:
        shutil.rmtree(folder, ignore_errors=True)
    return stale


def _hold(folder: Path) -> int:
    """Take the lock before it has its name, so that no sweep ever sees it free while we live."""
    beside = folder / f"{_LOCK}.new"
    lock = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    beside.rename(folder / _LOCK)
    return lock


def _abandoned(folder: Path) -> bool:
    with suppress(OSError):
        if folder.stat().st_uid != os.getuid():
            return False
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        finally:
            os.close(lock)
    return False
