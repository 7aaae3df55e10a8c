"""What a model may be shown of a case, asked in code before every prompt: whose it is, how secret, and where it goes.

Called by `model`. A case concerns the tenants that it names, and everybody whose work stands on its nodes. A model that
may not see one of them is not asked for that case at all; one that is asked sees through its tools only what is of the
tenants that it may see, and the law is asked of each answer that they give.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from agents.minds.port import Briefing
from estate.errors import BadInput, Denied
from estate.ids import ComponentId, Digest, TenantId
from estate.snapshots import Snapshot
from estate.stock import Stock
from estate.workloads import Workload
from policies import evidence, reaches
from policies.evidence import Reader
from policies.reaches import Sight
from tools.catalogue.registry import Catalogue

_TENANTS_OWN = frozenset({"tenant", "workload", "dataset"})


@dataclass(frozen=True, slots=True)
class Known:
    """Under which registration a model is asked."""

    id: ComponentId
    content: Digest | None = None
    """What its endpoint says it is. None: it says nothing, and the registration is believed."""


def faults(briefing: Briefing, known: Known, now: datetime) -> tuple[str, ...]:
    """Why this model may not be asked about this case; nothing where it may."""
    return reaches.faults(briefing.snapshot.facts, known.id, known.content, sight(briefing), now)


def sight(briefing: Briefing) -> Sight:
    """Whom the case concerns, and the data that their work there uses."""
    shown = list(_concerned(briefing))
    own = {t for e in briefing.incident.events if (t := e.tenant) is not None}
    tenants = frozenset({*briefing.incident.tenants, *own, *(w.tenant for w in shown)})
    return Sight(tenants, frozenset(d for w in shown for d in w.datasets))


def tools(briefing: Briefing, known: Known) -> Catalogue:
    """The catalogue over what this model may see, without drifts and without the past."""
    registered = briefing.snapshot.facts.registration.get(known.id)
    mine = frozenset(registered.tenants) if registered is not None else frozenset[TenantId]()
    seen = _own_part(briefing.snapshot, mine)
    return briefing.tools.over(seen, _telling(briefing.snapshot, Reader(str(known.id), "model", mine)))


def _telling(snapshot: Snapshot, reader: Reader) -> Callable[[str], None]:
    """The law's own look at each answer, once what is others' was left out."""

    def check(answer: str) -> None:
        try:
            evidence.check(reader, evidence.tells_of((answer,), snapshot))
        except Denied as error:
            raise BadInput(f"{error}; ask of what belongs to them only") from error

    return check


def _concerned(briefing: Briefing) -> Iterator[Workload]:
    for place in (e.place for e in briefing.incident.events):
        if place.node is not None:
            yield from briefing.snapshot.workloads_on(place.node)
        named = briefing.snapshot.workload(place.workload) if place.workload is not None else None
        if named is not None:
            yield named


def _own_part(snapshot: Snapshot, tenants: frozenset[TenantId]) -> Snapshot:
    """Without the work of others, and without items that name a tenant's things."""
    for other in [w.id for w in snapshot.workloads() if w.tenant not in tenants]:
        snapshot = snapshot.without_workload(other)
    items = (i for i in snapshot.stock if not any(r.kind in _TENANTS_OWN for _, r in i.named()))
    return snapshot.with_stock(Stock.of(items))
