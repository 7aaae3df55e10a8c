"""A follower's estate in a file of its own, so that a restart resumes in seconds: saved now and then, and at the end.

Called by `follower`. Whatever is wrong with a file costs time and nothing else: it is reported and taken away, and the
estate comes from the stream.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import structlog

from estate.errors import BadInput, Denied
from estate.law import Facts
from estate.snapshots import SnapshotVersion
from tools.inventory.columns import files
from tools.inventory.columns.engine import Inventory
from tools.inventory.columns.files import Loaded

EVERY = timedelta(minutes=10)

log = structlog.get_logger(__name__)


class Shelf:
    """Where one follower's estate lies while it does not run."""

    def __init__(self, path: Path, every: timedelta = EVERY) -> None:
        self._path, self._every = path, every.total_seconds()
        self._saved_at = time.monotonic()
        self._saved: SnapshotVersion | None = None
        self._saving = threading.Lock()  # protects the file: a process may end while it is written

    @property
    def due(self) -> bool:
        """Whether the file is so old that it should be written again."""
        return time.monotonic() - self._saved_at >= self._every

    def load(self, verify: Callable[[str], Facts]) -> Loaded | None:
        """What was saved; None where nothing was, or nothing that can be used."""
        try:
            loaded = files.load(self._path, verify)
        except FileNotFoundError:
            return None
        except (BadInput, Denied, OSError) as error:
            log.warning("saved estate not used", file=str(self._path), reason=str(error))
            self._path.unlink(missing_ok=True)
            return None
        self._saved = loaded.version
        return loaded

    def save(self, inventory: Inventory, version: SnapshotVersion, envelope: str) -> None:
        """Write it, unless that version is written already. A full disk is reported; the estate goes on without."""
        with self._saving:
            self._saved_at = time.monotonic()
            if version == self._saved:
                return
            try:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                files.save(self._path, inventory, version, envelope)
            except OSError as error:
                log.warning("estate not saved", file=str(self._path), reason=str(error))
                return
            self._saved = version
