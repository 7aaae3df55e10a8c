"""Which nodes of one cluster have fallen silent, by the leases that their kubelets renew. In memory, no I/O.

Called by `modelling`. A node is silent when others of its cluster renewed theirs for longer than its own lease lasts
since it did: so a control plane that is down, or a watch of ours that broke, makes nobody silent. Kubernetes' own
controller says the same some seconds later, unless it is down itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tools.kubernetes import fields
from tools.kubernetes.fields import Raw
from tools.payloads import reading

_DEAF: Final = 15.0
"""Seconds without any lease of the cluster after which we did not listen, and know nothing of anybody's silence."""
_LEAST, _MOST = 10, 3_600


@dataclass(frozen=True, slots=True)
class Beat:
    """One node's last renewal."""

    uid: str
    renewed_at: datetime | None
    """By the clock of its kubelet; None where it wrote no time."""
    lasts: int
    """Seconds."""
    seen_at: float
    """By our own clock, because theirs may be wrong."""


class Heartbeats:
    """The leases of one cluster. One task alone uses it."""

    def __init__(self) -> None:
        self._last: dict[str, Beat] = {}
        """By node, the longest silent first."""
        self._newest = float("-inf")

    def put(self, raw: Raw, now: float) -> None:
        """A lease as it stands at `now` (seconds of a clock that never goes back). Raises BadInput."""
        about, spec = (fields.mapping(raw.get(k), k) for k in ("metadata", "spec"))
        node = fields.needed(about.get("name"), "metadata.name")
        renewed = fields.text(spec.get("renewTime"), "spec.renewTime")
        lasts = fields.integer(spec.get("leaseDurationSeconds"), "spec.leaseDurationSeconds", 40)
        uid = fields.needed(about.get("uid"), "metadata.uid")
        renewed_at = reading.time(renewed, "spec.renewTime") if renewed else None
        beat = Beat(uid, renewed_at, min(max(lasts, _LEAST), _MOST), now)
        before = self._last.get(node)
        if before is not None and (before.uid, before.renewed_at) == (uid, renewed_at):
            return
        if now - self._newest > _DEAF:
            self._begin_anew(now)
        self._last.pop(node, None)
        self._last[node] = beat
        self._newest = now

    def drop(self, uid: str) -> None:
        """A lease is gone: nothing is known of its node."""
        for node in [n for n, beat in self._last.items() if beat.uid == uid]:
            del self._last[node]

    def clear(self) -> None:
        """Nobody tells of leases any more."""
        self._last.clear()

    def silent(self) -> dict[str, Beat]:
        """The nodes that are silent, with what was last heard of them."""
        return dict(self._overdue())

    def _overdue(self) -> Iterator[tuple[str, Beat]]:
        for node, beat in self._last.items():
            quiet = self._newest - beat.seen_at
            if quiet <= _LEAST:
                return
            if quiet > beat.lasts:
                yield node, beat

    def _begin_anew(self, now: float) -> None:
        self._last = {n: Beat(b.uid, b.renewed_at, b.lasts, now) for n, b in self._last.items()}
