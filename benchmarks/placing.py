"""Single decisions and gangs of the product's own engine, as the estate grows and changes between two of them.

Nodes of eight accelerators in racks of sixteen, each with none to seven in use. A decision is timed with all that the
engine does to catch up with the estate: one typed change goes into the inventory before it, whose own time is told
apart. Processor time of one core, and by masks, without a board, in the same run. See `benchmarks/README.md`.
"""

from __future__ import annotations

import gc
import os
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import batched, cycle
from random import Random

from benchmarks.estates import Estate
from benchmarks.figures import Figure, figure, main, percentile
from estate.devices import Sharing
from estate.frozen import FrozenEstate
from estate.hardware import Node
from estate.ids import InstallationId, PriceId, SiteId, Uid, WorkloadId
from estate.items import Item
from estate.machines import LinkState, Nic, NicUse
from estate.snapshots import SnapshotVersion
from estate.stock import Stock
from estate.units import MegabitsPerSecond, MicroUsd
from estate.uses.offers import Price, Unit
from estate.workloads import Span, Workload, WorkloadKind
from tools.inventory.columns.changes import NodeSeen, WorkloadSeen
from tools.inventory.columns.engine import Inventory
from tools.inventory.columns.origins import Told
from tools.placement.engine import MaskEngine
from tools.placement.port import Ask

SIZES = tuple(int(s) for s in os.environ.get("PLACET_BENCH_NODES", "1200,12000,100000").split(","))
_DECISIONS, _MASKED, _GANGS = 1_000, 15, 40
_ASKED, _MASKED_ASKS = 60, 4
_SHAPES = ((1, 4), (9, 8), (18, 4), (36, 2), (72, 1))
"""Replicas and the accelerators of each: gangs of 4 to 72."""
_NICS = tuple(
    Nic(
        name=f"rdma{i}",
        use=NicUse.RDMA,
        speed=MegabitsPerSecond(400_000),
        state=LinkState.UP,
        used=MegabitsPerSecond(0),
    )
    for i in range(2)
)


@dataclass
class Stage:
    """An estate in an inventory, and what changes there."""

    inventory: Inventory
    running: Iterator[Workload]
    sequence: int = 1

    @classmethod
    def of(cls, nodes: int) -> Stage:
        """So many nodes, of which each has a random part in use."""
        made, chance = Estate(nodes, datetime(2100, 1, 1, tzinfo=UTC)), Random(7)
        inventory = Inventory(made.facts)
        for some in batched(made.seen(), 1_000, strict=False):
            inventory.take([NodeSeen(_fitted(n)) for n in some], Told("cluster", 1))
        running = []
        for workload in made.running():
            kept = workload.bindings[: chance.randrange(len(workload.bindings))]
            running.append(workload.model_copy(update={"bindings": kept}))
        inventory.take([WorkloadSeen(w) for w in running], Told("cluster", 1))
        chance.shuffle(running)
        return cls(inventory, cycle(running))

    def snapshot(self) -> FrozenEstate:
        """As it is now."""
        version = SnapshotVersion(installation=InstallationId("bench"), epoch=1, sequence=self.sequence)
        return self.inventory.snapshot(version)

    def change(self) -> FrozenEstate:
        """One replica less, or all of them again, somewhere."""
        workload = next(self.running)
        bindings = workload.bindings[:-1] if self.sequence % 2 else workload.bindings
        self.sequence += 1
        seen = WorkloadSeen(workload.model_copy(update={"bindings": bindings}))
        self.inventory.take([seen], Told("cluster", self.sequence))
        return self.snapshot()

    def rest(self) -> None:
        """Between two changes: what older snapshots needed is let go."""
        while self.inventory.reap():
            pass


def _fitted(node: Node) -> Node:
    """With ports of its own, and devices that may be shared."""
    devices = tuple(a.model_copy(update={"sharing": Sharing.MPS}) for a in node.accelerators)
    return node.model_copy(update={"nics": _NICS, "accelerators": devices})


def pending(like: Workload, replicas: int, accelerators: int, together: Span | None = None) -> Workload:
    """Work of the same tenant that has no home."""
    update = {"accelerators_per_replica": accelerators, "together": together}
    contract = like.contract.model_copy(update=update)
    name = f"new-{replicas}x{accelerators}-{together or 'any'}"
    own = {"id": WorkloadId(name), "uid": Uid(name), "name": name}
    return like.model_copy(update={**own, "contract": contract, "replicas": replicas, "bindings": ()})


def timed(decide: Callable[[], object]) -> float:
    """Its processor time, in seconds."""
    began = time.process_time_ns()
    decide()
    return (time.process_time_ns() - began) / 1e9


def measure() -> list[Figure]:
    """Each size in turn; memory is that of the whole process at its largest."""
    found: list[Figure] = []
    for nodes in SIZES:
        found += _figures(nodes)
        gc.collect()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [*found, figure(f"memory at {max(SIZES)} nodes, inventory and all", peak, "MiB", at_most=2_048)]


def _figures(nodes: int) -> list[Figure]:
    stage, engine, masks = Stage.of(nodes), MaskEngine(), MaskEngine()
    like = next(stage.running)
    single = [pending(like, 1, size) for size in (1, 2, 4)]
    for workload in single:
        stage.inventory.take([WorkloadSeen(workload)], Told("cluster", 1))
    first = stage.snapshot()
    look = timed(lambda: engine.look(first))
    again = timed(lambda: engine.look(first))
    masks.outlook = engine.outlook
    for workload in single:
        engine.seats(first, Ask(workload.id, (0,)))
    standing = [_seated(engine, first, single[at % 3]) for at in range(_DECISIONS)]
    changed, inventory = _changing(stage, engine, single)
    slow = _masked(stage, masks, engine, single)
    at = f"at {nodes} nodes"
    return [
        figure(f"a decision {at}, p50", percentile(standing, 50) * 1e6, "µs", at_most=100),
        figure(f"a decision {at}, p99", percentile(standing, 99) * 1e6, "µs"),
        figure(f"the same with the estate's change before it {at}, p50", percentile(changed, 50) * 1e6, "µs"),
        figure(f"the same with the estate's change before it {at}, p99", percentile(changed, 99) * 1e6, "µs"),
        figure(f"the inventory's own part of a change {at}, p50", percentile(inventory, 50) * 1e6, "µs"),
        figure(f"the same by masks {at}, p50", percentile(slow, 50) * 1e6, "µs"),
        *_beside(stage, masks, engine, like, at),
        *_gangs(stage, engine, like, at),
        figure(f"a look {at}, in the background", again, "s"),
        figure(f"the first look {at}: loaded, or compiled", look, "s"),
    ]


def _seated(engine: MaskEngine, snapshot: FrozenEstate, workload: Workload) -> float:
    return timed(lambda: engine.seats(snapshot, Ask(workload.id, (0,))))


def _changing(stage: Stage, engine: MaskEngine, single: list[Workload]) -> tuple[list[float], list[float]]:
    decided, told = [], []
    for at in range(_DECISIONS):
        began = time.process_time_ns()
        snapshot = stage.change()
        told.append((time.process_time_ns() - began) / 1e9)
        stage.rest()
        decided.append(_seated(engine, snapshot, single[at % 3]))
    return decided, told


def _masked(stage: Stage, masks: MaskEngine, engine: MaskEngine, single: list[Workload]) -> list[float]:
    masks.columns_of(stage.snapshot())
    found = []
    for at in range(_MASKED):
        snapshot, ask = stage.change(), Ask(single[at % 3].id, (0,))
        found.append(timed(partial(masks.seats, snapshot, ask)))
        assert masks.seats(snapshot, ask) == engine.seats(snapshot, ask), "masks and board disagree"
    return found


def _asks(like: Workload, site: SiteId) -> Iterator[tuple[str, Workload, tuple[Item, ...]]]:
    """Asks of which more counts than devices, power, neighbours and distance, each with what the estate has for it."""

    def asked(name: str, replicas: int = 1, kind: WorkloadKind = like.kind, **terms: object) -> Workload:
        found = pending(like, replicas, 1)
        own = {"id": WorkloadId(name), "uid": Uid(name), "name": name, "kind": kind}
        return found.model_copy(update={**own, "contract": found.contract.model_copy(update=terms)})

    prices = tuple(_price(name, amount, site) for name, amount in (("here", 3), ("other", 2)))
    yield "latency promised", asked("latency", latency=30, users=(site,)), ()
    yield "a ceiling of cost", asked("ceiling", cost_ceiling=10**9), prices
    yield "inference by its price", asked("price"), prices
    yield "rails of its own", asked("rails", rails=1), ()
    yield "training of four", asked("near", 4, WorkloadKind.TRAINING), ()
    yield "four shares of a device", asked("shares", 4, share=250), ()


def _price(name: str, dollars: int, site: SiteId) -> Price:
    until, amount = datetime(2100, 1, 1, tzinfo=UTC), MicroUsd(dollars * 10**6)
    return Price(id=PriceId(name), unit=Unit.GPU_HOUR, amount=amount, site=site, stated_by="a list", valid_until=until)


def _beside(stage: Stage, masks: MaskEngine, engine: MaskEngine, like: Workload, at: str) -> list[Figure]:
    """By the board, and how many times as long masks take for the same, on the same estates."""
    found, site = [], next(iter(stage.snapshot().facts.site))
    for name, workload, items in _asks(like, site):
        ask = Ask(workload.id, tuple(range(workload.replicas)))
        quick, slow = [], []
        for number in range(_ASKED):
            stage.rest()
            estate = stage.change().with_stock(Stock.of(items)).with_workload(workload)
            quick.append(timed(partial(engine.seats, estate, ask)))
            if number % (_ASKED // _MASKED_ASKS) == 0:
                slow.append(timed(partial(masks.seats, estate, ask)))
                assert masks.seats(estate, ask) == engine.seats(estate, ask), f"masks and board disagree: {name}"
        found += [
            figure(f"{name} {at}, p50", percentile(quick[1:], 50) * 1e6, "µs"),
            figure(f"{name} {at}: masks take", percentile(slow[1:], 50) / percentile(quick[1:], 50), "times as long"),
        ]
    return found


def _gangs(stage: Stage, engine: MaskEngine, like: Workload, at: str) -> list[Figure]:
    taken = []
    for together in (None, Span.RACK):
        for replicas, size in _SHAPES:
            gang = pending(like, replicas, size, together)
            base = stage.change().with_workload(gang)
            ask = Ask(gang.id, tuple(range(replicas)))
            if engine.seats(base, ask) is None:
                continue  # no room for it in one rack of this fleet
            for _ in range(_GANGS // len(_SHAPES)):
                estate = stage.change().with_workload(gang)
                taken.append(timed(partial(engine.seats, estate, ask)))
    return [
        figure(f"a gang of 4 to 72 {at}, p50", percentile(taken, 50) * 1e3, "ms"),
        figure(f"a gang of 4 to 72 {at}, p99", percentile(taken, 99) * 1e3, "ms", at_most=50),
    ]


if __name__ == "__main__":
    main("placing", measure)
