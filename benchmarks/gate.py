"""A decision of the law beside the size of the estate: it must cost the same at forty nodes and at thousands."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median

from benchmarks.figures import Figure, figure, main, percentile
from benchmarks.fleets import fleet
from console.interpreting import tuned
from estate.changes import Change, CordonNode, MoveWorkload, ReplicaMove
from estate.effects import lay_out
from estate.frozen import FrozenEstate
from estate.identities import Subject, SubjectKind
from estate.ids import IncidentId, InstallationId, NodeId, SiteId, WorkloadId
from estate.modes import Mode
from estate.proposals import Lane, Proposal
from estate.results import Ok
from estate.snapshots import SnapshotVersion
from estate.verdicts import Decision
from policies.bundle import Bundle
from policies.deciding import decide
from policies.questions import Matter, Question, Standing

NODES_BY_RACKS = {5: 40, 50: 400, 600: 4_800}
"""Racks a site, and the nodes that they come to."""
ROUNDS = 300
_BENCH = InstallationId("bench")
_FIRST = NodeId("eu-de-r001-n01")
_NOW = datetime(2026, 11, 21, tzinfo=UTC)
CHANGES: Mapping[str, Change] = {
    "fence": CordonNode(node=_FIRST),
    "move": MoveWorkload(
        workload=WorkloadId("serve-eu-de-r001"),
        moves=(ReplicaMove(replica=0, source=_FIRST, target=NodeId("eu-de-r001-n03"), accelerators=(0, 1, 2, 3)),),
    ),
}


def measure() -> list[Figure]:
    """Each kind of decision on each size, and the largest size against the smallest."""
    bundle = Bundle.load()
    estates = {nodes: _estate(racks) for racks, nodes in NODES_BY_RACKS.items()}
    with tuned():
        return [f for name, change in CHANGES.items() for f in _figures(name, change, estates, bundle)]


def _figures(name: str, change: Change, estates: Mapping[int, FrozenEstate], bundle: Bundle) -> Sequence[Figure]:
    questions = {nodes: _question(change, estate, bundle) for nodes, estate in estates.items()}
    taken: dict[int, list[float]] = {nodes: [] for nodes in questions}
    for _ in range(ROUNDS):
        for nodes, question in questions.items():
            started = time.perf_counter()
            ruling = decide(question)
            taken[nodes].append(time.perf_counter() - started)
            assert ruling.verdict.decision is Decision.PERMIT, ruling.verdict.failures
    smallest, largest = min(taken), max(taken)
    return [
        *(figure(f"{name} at {nodes} nodes p50", median(values) * 1e3, "ms") for nodes, values in taken.items()),
        figure(f"{name} at {largest} nodes p99", percentile(taken[largest], 99) * 1e3, "ms"),
        figure(
            f"{name} at {largest} nodes, of {smallest}",
            median(taken[largest]) / median(taken[smallest]),
            "×",
            at_most=1.25,
        ),
    ]


def _estate(racks: int) -> FrozenEstate:
    made = fleet(_NOW + timedelta(days=30), racks)
    version = SnapshotVersion(installation=_BENCH, epoch=1, sequence=1)
    return FrozenEstate.of(version, made.facts, made.world.nodes, made.world.workloads)


def _question(change: Change, estate: FrozenEstate, bundle: Bundle) -> Question:
    laid = lay_out((change,), estate)
    assert isinstance(laid, Ok), laid
    proposal = Proposal(
        installation=_BENCH,
        incident=IncidentId("inc-benchmark"),
        attempt=1,
        lane=Lane.CASE,
        site=SiteId("eu-de"),
        snapshot=estate.version,
        created_at=_NOW,
        proposer=Subject(kind=SubjectKind.AGENT, issuer=_BENCH, name="agent"),
        summary="a benchmark",
        steps=laid.value.steps,
    )
    return Question(Matter.of(proposal), estate, bundle, Standing(Mode.AUTOMATIC), _NOW)


if __name__ == "__main__":
    main("gate", measure)
