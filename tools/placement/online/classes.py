"""What is alike in the eyes of every constraint that endures: workloads as classes, and what a class may use of a kind.

Called by `valuing` and `boards`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from estate.ids import SiteId, WorkloadId
from estate.law import Isolation
from estate.snapshots import Snapshot
from estate.workloads import Workload
from tools.placement.columns import Columns, Flags, Ints
from tools.placement.constraints import devices, machines, marks, table, tenancy
from tools.placement.constraints.kinds import Constraint
from tools.placement.port import Ask
from tools.placement.wishes import Wish

type Key = tuple[object, ...]

_OWN = frozenset({"id", "uid", "name", "replicas", "bindings", "watts_per_accelerator", "gangs", "counted"})
"""What no constraint on a kind reads. All else of a workload counts, so that a field nobody thought of makes too many
classes, and never a wrong one."""
SLOTS = 63
"""As many devices of a node as the bits of a class tell."""


class Need(NamedTuple):
    """What one replica takes of a node."""

    devices: int
    milli: int
    cpu: int
    memory: int

    @classmethod
    def of(cls, workload: Workload) -> Need:
        """A replica's."""
        devices = workload.contract.accelerators_per_replica
        contract = workload.contract
        return cls(devices, contract.milli if devices else 0, contract.millicores, contract.host_mebibytes)


def key_of(workload: Workload, sites: tuple[SiteId, ...] = ()) -> Key:
    """What is equal for workloads that every kind treats alike."""
    return (sites, *(value for name, value in workload.__dict__.items() if name not in _OWN))


def on(snapshot: Snapshot, typical: Columns, workload: Workload, sites: tuple[SiteId, ...] = ()) -> Wish:
    """The wish of a class on one node of each kind."""
    return Wish(snapshot, typical, Ask(WorkloadId(workload.id), (), sites), workload)


def admitted(wish: Wish) -> Flags:
    """The kinds that the class may use at all."""
    if wish.workload.tenant not in wish.facts.tenant:
        return np.zeros(len(wish.columns.ids), dtype=np.bool_)
    masks = marks.standing(wish) | machines.standing(wish) | table.of_kinds(wish)
    for constraint in (Constraint.AVOID, Constraint.CLUSTER):  # one question's own
        del masks[constraint]
    usable = (wish.columns.exists & _suited(wish)).sum(axis=1) >= wish.needed
    open_to: Flags = ~np.logical_or.reduce([*masks.values(), _crowded(wish)]) & usable
    return open_to


def slots(wish: Wish) -> NDArray[np.int64]:
    """Of each kind the devices that the class accepts, as bits."""
    accepted = wish.columns.exists & _suited(wish)
    bits = np.left_shift(np.int64(1), np.arange(accepted.shape[1], dtype=np.int64))
    found: Ints = np.where(accepted, bits, 0).sum(axis=1)
    return found


def kept_off(wish: Wish) -> tuple[Ints, Ints]:
    """The rows of `present` that are kept off its node, and off its rack."""
    kept = tenancy.distances(wish) if wish.workload.tenant in wish.facts.tenant else {}
    near = [at for at, (how, _) in kept.items() if how is Isolation.DEDICATED_NODE]
    return np.array(near, dtype=np.int64), np.array(sorted(kept.keys() - set(near)), dtype=np.int64)


def _suited(wish: Wish) -> Flags:
    return devices.suitable(wish, None).all


def _crowded(wish: Wish) -> Flags:
    """The kinds of clusters that somebody shares who is to be kept off the whole cluster."""
    names, refused = wish.columns.names.clusters, np.zeros(len(wish.columns.ids), dtype=np.bool_)
    for how, shared in tenancy.distances(wish).values():
        if how is Isolation.DEDICATED_CLUSTER:
            refused |= np.isin(wish.columns.cluster, [at for at, name in enumerate(names) if name in shared])
    return refused
