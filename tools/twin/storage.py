"""The objects of a twin world in one SQLite file: shared by processes, whole after a kill -9.

Every write is one transaction that raises the revision by one. `World` calls this from worker threads; nothing
here is asynchronous. A file of a newer format is refused.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from estate import canonical
from estate.errors import BadInput, NewerRecord, RetryLater
from estate.hardware import Node
from estate.ids import NodeId, WorkloadId
from estate.objects import Sighting
from estate.pooling import WORD
from estate.uses.clusters import MachineGroup
from estate.workloads import Workload
from tools.twin.faults import Fault

FORMAT = 1
_TRIES, _PAUSE_SECONDS = 200, 0.05
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS things (
  kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT, revision INTEGER NOT NULL, PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS things_by_revision ON things (revision);
CREATE TABLE IF NOT EXISTS applied (key TEXT PRIMARY KEY, revision INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS faults (
  about TEXT NOT NULL, change TEXT NOT NULL, message TEXT NOT NULL, passing INTEGER NOT NULL,
  remaining INTEGER NOT NULL, PRIMARY KEY (about, change)
) WITHOUT ROWID;
"""


type Stored = Node | Workload | Sighting | MachineGroup


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed after a revision, each thing once and at its newest, and the revision that includes it all."""

    revision: int
    nodes: tuple[Node, ...] = ()
    workloads: tuple[Workload, ...] = ()
    objects: tuple[Sighting, ...] = ()
    groups: tuple[MachineGroup, ...] = ()
    removed_nodes: tuple[NodeId, ...] = ()
    removed_workloads: tuple[WorkloadId, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing changed."""
        return not (self.of_inventory or self.objects)

    @property
    def of_inventory(self) -> bool:
        """Whether anything changed that an inventory keeps; objects are looked at when they are written."""
        return bool(self.nodes or self.workloads or self.groups or self.removed_nodes or self.removed_workloads)


class Storage:
    """One connection to the file. Its lock keeps the threads of this process apart; SQLite keeps processes apart."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()  # protects the connection: one transaction at a time
        self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        try:
            self._insist(path)
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise BadInput(f"`{path}` is not a twin world ({error}); name another file or remove it") from error
        except (NewerRecord, RetryLater):
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        with self._lock:
            self._db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction that excludes every other writer; rolled back when the block raises."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                raise RetryLater(f"the twin world is busy ({error})") from error
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep the other threads of this process out of the storage for the block."""
        with self._lock:
            yield

    def revision(self) -> int:
        """The newest revision; 0 in an empty world."""
        with self._lock:
            return self._meta("revision")

    def changes(self, after: int) -> Changes:
        """Everything that changed after that revision."""
        with self._lock:
            rows = self._db.execute(
                "SELECT kind, id, body, revision FROM things INDEXED BY things_by_revision"
                " WHERE revision > ? ORDER BY kind, id",  # left to itself it reads every body there is, to save a sort
                (after,),
            ).fetchall()
        return Changes(
            revision=max((r[3] for r in rows), default=after),
            nodes=tuple(Node.model_validate(canonical.loads(b)) for k, _, b, _ in rows if k == "node" and b),
            workloads=tuple(
                Workload.model_validate(canonical.loads(b)) for k, _, b, _ in rows if k == "workload" and b
            ),
            objects=tuple(Sighting.model_validate(canonical.loads(b)) for k, _, b, _ in rows if k == "object" and b),
            groups=tuple(MachineGroup.model_validate(canonical.loads(b)) for k, _, b, _ in rows if k == WORD and b),
            removed_nodes=tuple(NodeId(i) for k, i, b, _ in rows if k == "node" and not b),
            removed_workloads=tuple(WorkloadId(i) for k, i, b, _ in rows if k == "workload" and not b),
        )

    def put(self, *things: Stored) -> int:
        """Store these as they are now, within `writing`; the new revision."""
        revision = self._next()
        rows = [(_kind(t), str(t.id), t.canonical().decode(), revision) for t in things]
        self._db.executemany("INSERT OR REPLACE INTO things VALUES (?, ?, ?, ?)", rows)
        return revision

    def remove(self, kind: str, name: str) -> int:
        """Mark one thing as gone, within `writing`; the new revision."""
        revision = self._next()
        self._db.execute("INSERT OR REPLACE INTO things VALUES (?, ?, NULL, ?)", (kind, name, revision))
        return revision

    def was_applied(self, key: str) -> bool:
        """Whether the step of this key was written before."""
        return self._db.execute("SELECT 1 FROM applied WHERE key = ?", (key,)).fetchone() is not None

    def mark_applied(self, key: str) -> None:
        """Remember the step of this key, within the transaction that writes it."""
        self._db.execute("INSERT INTO applied VALUES (?, ?)", (key, self._meta("revision")))

    def add_fault(self, fault: Fault, times: int) -> None:
        """Let the next `times` matching writes fail, within `writing`; replaces an earlier fault there."""
        row = (fault.about, fault.change, fault.message, int(fault.passing), times)
        self._db.execute("INSERT OR REPLACE INTO faults VALUES (?, ?, ?, ?, ?)", row)

    def take_fault(self, about: str, change: str) -> Fault | None:
        """The fault that this write meets, used up by one, within `writing`."""
        at = (about, change)
        row = self._db.execute(
            "SELECT message, passing FROM faults WHERE about = ? AND change = ? AND remaining > 0", at
        ).fetchone()
        if row is None:
            return None
        self._db.execute("UPDATE faults SET remaining = remaining - 1 WHERE about = ? AND change = ?", at)
        return Fault(about=about, change=change, message=row[0], passing=bool(row[1]))

    def _next(self) -> int:
        self._db.execute("INSERT INTO meta VALUES ('revision', 1) ON CONFLICT (key) DO UPDATE SET value = value + 1")
        return self._meta("revision")

    def _meta(self, key: str) -> int:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return int(row[0]) if row else 0

    def _insist(self, path: Path) -> None:
        """Prepare the file. Others may be making it at this moment, and the switch to WAL waits for no lock."""
        for _ in range(_TRIES):
            try:
                self._prepare(path)
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
            time.sleep(_PAUSE_SECONDS)
        raise RetryLater(f"the twin world `{path}` is busy; try again later")

    def _prepare(self, path: Path) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        begun = self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone()
        if begun and (found := self._meta("format")) > FORMAT:
            raise NewerRecord(f"`{path}` has format {found}, this placet knows {FORMAT}; upgrade placet")
        self._db.executescript(_SCHEMA)
        self._db.execute("INSERT OR IGNORE INTO meta VALUES ('format', ?)", (FORMAT,))


def _kind(thing: Stored) -> str:
    match thing:
        case Node():
            return "node"
        case Workload():
            return "workload"
        case Sighting():
            return "object"
        case MachineGroup():
            return thing.kind
