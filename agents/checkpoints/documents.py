"""The document of a thread: its checkpoints and pending writes as versioned plain JSON, and the pure changes of it.

Called by `savers`; a shelf stores the bytes. One document holds one namespace of one thread (a subgraph has its own).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langgraph.checkpoint.base import WRITES_IDX_MAP, writes_sort_key

from agents.checkpoints import plain
from estate.canonical import Json
from estate.errors import BadInput, NewerRecord

KIND = "placet.checkpoints"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Saved:
    """One checkpoint; `checkpoint` and `metadata` in plain form."""

    id: str
    parent: str | None
    checkpoint: Json
    metadata: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Write:
    """One pending write of a task, made under a checkpoint."""

    checkpoint: str
    task: str
    index: int
    path: str
    channel: str
    value: Json


@dataclass(frozen=True, slots=True)
class Document:
    """Checkpoints by id (they grow with time) and the writes under them."""

    thread: str
    namespace: str
    checkpoints: tuple[Saved, ...] = ()
    writes: tuple[Write, ...] = ()

    @property
    def newest(self) -> Saved | None:
        """The checkpoint that a run goes on from."""
        return self.checkpoints[-1] if self.checkpoints else None

    def found(self, checkpoint: str) -> Saved | None:
        """The checkpoint of that id."""
        return next((saved for saved in self.checkpoints if saved.id == checkpoint), None)

    def pending(self, checkpoint: str) -> list[tuple[str, str, Any]]:
        """The writes under that checkpoint in the order in which a run applies them."""
        mine = [write for write in self.writes if write.checkpoint == checkpoint]
        mine.sort(key=lambda write: writes_sort_key(write.path, write.task, write.index))
        return [(write.task, write.channel, plain.read(write.value)) for write in mine]

    def with_checkpoint(self, saved: Saved, keep: int | None) -> Document:
        """With `saved` in its place, and only the newest `keep` left."""
        others = [other for other in self.checkpoints if other.id != saved.id]
        ordered = sorted([*others, saved], key=lambda each: each.id)
        return replace(self, checkpoints=tuple(ordered)).trimmed(keep)

    def trimmed(self, keep: int | None) -> Document:
        """Only the newest `keep` checkpoints, and no writes older than those."""
        if keep is None or len(self.checkpoints) <= keep:
            return self
        kept = self.checkpoints[-keep:]
        return replace(self, checkpoints=kept, writes=tuple(w for w in self.writes if w.checkpoint >= kept[0].id))

    def without(self, checkpoints: Iterable[str]) -> Document:
        """Without these checkpoints and their writes."""
        gone = set(checkpoints)
        return replace(
            self,
            checkpoints=tuple(s for s in self.checkpoints if s.id not in gone),
            writes=tuple(w for w in self.writes if w.checkpoint not in gone),
        )

    def with_writes(self, checkpoint: str, writes: Sequence[tuple[str, Any]], task: str, path: str) -> Document:
        """With a task's writes; an ordinary one that is there already stays, a special one is replaced."""
        held = {(w.checkpoint, w.task, w.index): w for w in self.writes}
        for position, (channel, value) in enumerate(writes):
            index = WRITES_IDX_MAP.get(channel, position)
            key = (checkpoint, task, index)
            if index < 0 or key not in held:
                held[key] = Write(checkpoint, task, index, path, channel, plain.written(value, channel))
        return replace(self, writes=tuple(held.values()))

    def to_bytes(self) -> bytes:
        """The stored form."""
        form = {
            "kind": KIND,
            "v": VERSION,
            "thread": self.thread,
            "namespace": self.namespace,
            "checkpoints": [
                {"id": s.id, "parent": s.parent, "checkpoint": s.checkpoint, "metadata": s.metadata}
                for s in self.checkpoints
            ],
            "writes": [
                {
                    "checkpoint": w.checkpoint,
                    "task": w.task,
                    "index": w.index,
                    "path": w.path,
                    "channel": w.channel,
                    "value": w.value,
                }
                for w in self.writes
            ],
        }
        return json.dumps(form, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode(
            errors="surrogatepass"
        )


def from_bytes(data: bytes) -> Document:
    """Read a stored form.

    Raises:
        NewerRecord: a newer Placet wrote it.
        BadInput: it is no checkpoint document.
    """
    try:
        form = json.loads(data.decode(errors="surrogatepass"))
        kind, version = form["kind"], form["v"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"not a checkpoint document: {error}") from error
    if kind != KIND or not isinstance(version, int):
        raise BadInput(f"expected a `{KIND}` document, found `{kind}`")
    if version > VERSION:
        raise NewerRecord(f"`{KIND}` version {version} was written by a newer placet; upgrade")
    try:
        return Document(
            form["thread"],
            form["namespace"],
            tuple(Saved(**saved) for saved in form["checkpoints"]),
            tuple(Write(**write) for write in form["writes"]),
        )
    except (KeyError, TypeError) as error:
        raise BadInput(f"a `{KIND}` document does not fit: {error}") from error
