"""The drifts that a caller may see, as rows. Pure.

Operators see all; people of a tenant see what is their tenants' by signed fact, and nothing of nodes and racks.
"""

from __future__ import annotations

from collections.abc import Iterable

from console.door.views import Row, Sight
from estate.drifts import Drift
from estate.records import write_time


def rows(found: Iterable[Drift], sight: Sight, kind: str | None = None, name: str | None = None) -> list[Row]:
    """A row for each that is in sight, of that kind and that name (an id, or what people call the thing)."""
    seen = (d for d in found if sight.everything or sight.of_any(d.tenants))
    return [_row(d) for d in seen if kind in (None, d.about.kind.value) and name in (None, *_names(d))]


def _names(found: Drift) -> tuple[str, ...]:
    """An id, `Deployment tenant-a/serve`, `tenant-a/serve` or `serve`."""
    own = found.called.partition(" ")[2]
    return (found.about.id, found.called, own, own.rpartition("/")[2])


def _row(found: Drift) -> Row:
    hand = found.by
    return {
        "name": found.about.id,
        "kind": found.about.kind.value,
        "thing": found.called,
        "field": found.path,
        "desired": found.desired,
        "observed": found.observed,
        "says": found.basis.value,
        "by": hand.manager if hand else None,
        "through": (hand.subresource or hand.operation) if hand else None,
        "at": write_time(hand.at) if hand and hand.at else None,
        "matter": found.matter.value,
        "why": found.why,
        "restore": found.restoring.describe() if found.restoring else found.no_change,
        "change": found.restoring.json_form() if found.restoring else None,
        "tenants": [str(t) for t in found.tenants],
        "cluster": found.cluster,
    }
