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

from estate.errors import BadInput

_PREFIX = "placet-controlplane-"
_LOCK = "owner.lock"


class FolderTaken(BadInput):
    """Another process runs a control plane in this folder."""


@contextmanager
def held(given: Path | None) -> Iterator[Path]:
    """The absolute folder to run in: the given one (made with mode 0700), or a temporary one that goes afterwards.

    Raises:
        FolderTaken: another process holds the given one.
    """
    if given is None:
        sweep(_root())
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()
    else:
        given.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = given.resolve()
    lock = _hold(folder)
    try:
        yield folder
    finally:
        if given is None:
            shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep(root: Path) -> list[Path]:
    """Remove the folders that killed owners left in `root`; says which."""
    stale = [folder for folder in root.glob(f"{_PREFIX}*") if _abandoned(folder)]
    for folder in stale:
        shutil.rmtree(folder, ignore_errors=True)
    return stale


def _root() -> Path:
    return Path(tempfile.gettempdir()).resolve()


def _hold(folder: Path) -> int:
    """Take the lock of a folder; a new lock gets its name once it is held, so that no sweep ever sees it free."""
    at, beside = folder / _LOCK, folder / f"{_LOCK}.new"
    lock = os.open(at if at.exists() else beside, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise FolderTaken(f"another control plane runs in `{folder}`; stop it, or give another folder") from error
    if not at.exists():
        beside.rename(at)
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
