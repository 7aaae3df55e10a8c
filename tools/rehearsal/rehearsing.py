"""`rehearse`: what ordered changes would lead to, as evidence for people and minds. Never input to the gate.

Pure and silent: a what-if must not read like an act, so nothing is logged here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from estate.changes import Change
from estate.effects import effect, lay_out
from estate.hardware import Health
from estate.ids import NodeId, WorkloadId
from estate.proposals import RackForecast, Rehearsal
from estate.results import Ok, Refusal
from estate.snapshots import Snapshot
from estate.workloads import Binding, Workload
from policies import sovereignty


def rehearse(snapshot: Snapshot, changes: Sequence[Change]) -> Rehearsal:
    """What `changes` in order would do to `snapshot`: feasible or why not, contracts, racks, stranded devices."""
    laid = lay_out(changes, snapshot)
    if isinstance(laid, Refusal):
        return Rehearsal(feasible=False, refusal=f"{laid.code.value}: {laid.message}")
    states = tuple(_states(snapshot, changes))
    touched = laid.value.footprint.workloads
    broken = tuple(w for w in touched if _breaks(states, w))
    return Rehearsal(
        feasible=True,
        contracts_kept=tuple(w for w in touched if w not in broken),
        contracts_broken=broken,
        racks=_forecasts(laid.value.after, laid.value.footprint.nodes),
        stranded_accelerators=laid.value.after.stranded_accelerators(),
        tenants=laid.value.footprint.tenants,
    )


def _states(snapshot: Snapshot, changes: Sequence[Change]) -> Iterator[tuple[Snapshot, Snapshot]]:
    """The estate before and after each change; the changes were laid out before, so none is refused."""
    running = snapshot
    for change in changes:
        result = effect(change, running)
        assert isinstance(result, Ok), "a laid-out change has an effect"
        yield running, result.value
        running = result.value


def _breaks(states: Sequence[tuple[Snapshot, Snapshot]], workload: WorkloadId) -> bool:
    """Whether some step disturbs the workload beyond its contract, or the end leaves it where it may not be."""
    end = states[-1][1].workload(workload)
    disturbed = any(disturbs(before, after, workload) for before, after in states)
    return disturbed or (end is not None and not _lawful(states[-1][1], end))


def disturbs(before: Snapshot, after: Snapshot, workload: WorkloadId) -> bool:
    """Whether the step stops healthy replicas and at some time leaves fewer than the contract keeps available.

    What is already lost is not disturbed by moving it. What is removed counts as kept: its counterpart is told of.
    """
    was, now = before.workload(workload), after.workload(workload)
    if was is None or now is None or was.bindings == now.bindings:
        return False
    running = [b for b in was.bindings if _runs(before, b)]
    broken = was.broken_by(now.bindings)
    disturbed = [b for b in running if b in broken]
    ends = sum(1 for b in now.bindings if _runs(after, b))
    lowest = min(len(running) - len(disturbed), ends)
    return bool(disturbed) and lowest < now.contract.min_available


def _runs(snapshot: Snapshot, binding: Binding) -> bool:
    node = snapshot.node(binding.node)
    if node is None or node.health is Health.FAILED:
        return False
    return not any(a.health is Health.FAILED for a in node.accelerators if a.index in binding.accelerators)


def _lawful(snapshot: Snapshot, workload: Workload) -> bool:
    return all(axis.holds for axis in sovereignty.exposure(snapshot.facts, workload, workload.cluster))


def _forecasts(after: Snapshot, nodes: Iterable[NodeId]) -> tuple[RackForecast, ...]:
    """The racks that the changes touch, by id."""
    touched = {r for n in nodes if (r := after.rack_of(n)) is not None}
    return tuple(
        RackForecast(rack=r, drawn_watts=after.rack_watts(r), budget_watts=after.facts.rack[r].power_budget_watts)
        for r in sorted(touched)
    )
