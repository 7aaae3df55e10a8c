"""What a workload was promised, whoever wrote it down: its cluster, or a contract of the estate that names it. Pure.

Placement and the gate ask. Where both speak of one thing the stricter holds. What a replica is made of (devices,
memory, models) is its own alone: a contract beside it cannot change what its cluster starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from estate.references import Ref
from estate.snapshots import Snapshot
from estate.uses.promises import Contract
from estate.workloads import Workload, WorkloadContract

_LEAST: Final = ("latency", "cost_ceiling", "deadline", "ready_within", "data_cost_ceiling")
"""Of two limits the smaller is the stricter."""
_MOST: Final = ("storage", "availability", "start", "preemptible", "min_available")
_OF_DEVICES: Final = frozenset(
    {
        *("accelerators_per_replica", "models", "vendors", "memory_mebibytes", "bandwidth", "limit_watts"),
        *("millicores", "host_mebibytes", "share", "profile", "software", "locality", "rails", "rail_speed"),
        *("together", "spread", "min_available", "residency", "priority", "preemptible"),
    }
)
_FIRST: Final = ("together", "spread", "residency", "stage", "paces", "priority")
"""The workload's own, or else what the other says."""

_BEYOND: Final = tuple((n, f.default) for n, f in WorkloadContract.model_fields.items() if n not in _OF_DEVICES)


def of(snapshot: Snapshot, workload: Workload, now: datetime | None = None) -> WorkloadContract:
    """Its contract, joined with every one that names it and holds. Without `now` none has ended."""
    found = workload.contract
    for contract in _naming(snapshot, workload):
        held = now is None or contract.valid_until is None or contract.valid_until > now
        if contract.promised is not None and held:
            found = joined(found, contract.promised)
    return found


def beyond_devices(snapshot: Snapshot, workload: Workload) -> bool:
    """Whether anything may have been promised beside its devices and how its replicas stand to each other.

    A field that nobody has counted among those of devices is such a promise.
    """
    own = workload.contract.__dict__
    return next(_naming(snapshot, workload), None) is not None or any(own[n] != default for n, default in _BEYOND)


def joined(own: WorkloadContract, other: WorkloadContract) -> WorkloadContract:
    """The stricter of both."""
    over: dict[str, Any] = {
        "users": tuple(sorted({*own.users, *other.users})),
        "supply": max((s for s in (own.supply, other.supply) if s is not None), key=lambda s: s.rank, default=None),
    }
    choices: Mapping[tuple[str, ...], Callable[[Any, Any], Any]] = {
        _LEAST: min,
        _MOST: max,
        _FIRST: lambda a, b: a or b,
    }
    for names, choose in choices.items():
        for name in names:
            one, two = getattr(own, name), getattr(other, name)
            over[name] = two if one is None else one if two is None else choose(one, two)
    return own.model_copy(update=over)


def revised(snapshot: Snapshot, workload: Workload, over: Mapping[str, Any]) -> Snapshot:
    """The estate once these fields of its promise are otherwise, wherever they are written."""
    changed = workload.model_copy(update={"contract": workload.contract.model_copy(update=over)})
    stock = snapshot.stock
    for contract in _naming(snapshot, workload):
        if contract.promised is not None:
            promised = contract.promised.model_copy(update=over)
            stock = stock.with_(contract.model_copy(update={"promised": promised}))
    return snapshot.with_workload(changed).with_stock(stock)


def _naming(snapshot: Snapshot, workload: Workload) -> Iterator[Contract]:
    for ref in snapshot.stock.naming(Ref("workload", workload.id)):
        item = snapshot.stock.get(ref) if ref.kind == "contract" else None
        if isinstance(item, Contract):
            yield item
