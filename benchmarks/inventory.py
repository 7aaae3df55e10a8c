"""The inventory engine: 100 000 nodes of 8 accelerators and 800 000 replicas in memory, on one core.

Costs are processor time of the thread that pays them, so that a busy machine inflates them little; each stands beside a
floor of the same run: one addition to a slot of an `array.array` in a bare loop. Every size is measured in a process of
its own, so that the memory is that of one.
"""

from __future__ import annotations

import gc
import multiprocessing
import threading
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched, chain, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks import objects
from benchmarks.estates import DEVICES, Estate
from benchmarks.figures import Figure, figure, main
from estate.deltas import Delta
from estate.frozen import FrozenEstate
from estate.ids import ClusterId, InstallationId
from estate.snapshots import SnapshotVersion
from estate.units import Watts
from tools.inventory import telling
from tools.inventory.columns import files
from tools.inventory.columns.changes import Change, NodeSeen, WorkloadSeen
from tools.inventory.columns.engine import Inventory
from tools.inventory.columns.histories import History
from tools.inventory.columns.origins import Told
from tools.inventory.columns.readings import Batch, Metric
from tools.inventory.folding import Folded, fold
from tools.inventory.kubernetes.modelling import ClusterModel
from tools.kubernetes import resources
from tools.kubernetes.connecting import PAGE, event_of, page_of

SIZES = (1_000, 10_000, 100_000)
CHANGES, ROUNDS, HELD, INTERLEAVED = 10_000, 40, 20, 12
BATCH, WATCHED = 4_000, 5_000
"""Changes that are taken together: what 200 000 a second bring in the 20 ms that a cluster's source gathers."""
CLUSTER = ClusterId("eu-1")
_MARK = Watts(2_001)
_NOW = datetime(2026, 11, 21, tzinfo=UTC)
_TOLD = Told("benchmark", 1)
_LAST: list[tuple[Inventory, Estate]] = []
"""What this process measured last."""
_VERSION = SnapshotVersion(installation=InstallationId("bench"), epoch=1, sequence=1)


def measure() -> list[Figure]:
    """Each size, and how the dearest one compares with the cheapest: the least of many rounds, all sizes in turn."""
    with ExitStack() as stack:
        alone = {size: stack.enter_context(_process()) for size in SIZES}
        found = {size: process.submit(measured, size).result() for size, process in alone.items()}
        rounds = [{size: alone[size].submit(again, seed).result() for size in SIZES} for seed in range(INTERLEAVED)]
    for size, values in found.items():
        values |= {name: min(r[size][name] for r in rounds) for name in rounds[0][size]}
    costs = [f for size, values in found.items() for f in _costs(size, values)]
    small, large = found[SIZES[0]], found[SIZES[-1]]
    flat = [
        figure(f"{name}, at {SIZES[-1]:,} nodes of {SIZES[0]:,}", large[name] / small[name], "×")
        for name in ("change", "snapshot least")
    ]
    return [*costs, *flat, *_goals(large)]


def _process() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def _costs(size: int, values: dict[str, float]) -> Iterator[Figure]:
    floor = values["floor"]
    yield figure(f"{size:,} nodes: floor, an addition in a bare loop", floor * 1e9, "ns")
    for name in ("node and workload put", "change", "change beside a reader", "move", "turnover", "reading"):
        yield figure(f"{size:,} nodes: {name}", values[name] * 1e6, "µs")
        yield figure(f"{size:,} nodes: {name}, of the floor", values[name] / floor, "×")
    yield figure(f"{size:,} nodes: memory a node", values["bytes"], "bytes")
    yield figure(f"{size:,} nodes: node asked for, made anew", values["node made"] * 1e6, "µs")
    yield figure(f"{size:,} nodes: version of the history asked for", values["as of"] * 1e3, "ms")
    yield figure(f"{size:,} nodes: saved", values["save"], "s")


def _goals(values: dict[str, float]) -> Iterator[Figure]:
    yield figure(f"resident with {HELD} snapshots held", values["resident"] / 2**20, "MiB", at_most=768)
    yield figure("typed changes", 1 / values["change"], "1/s", at_least=200_000)
    yield figure("facts from the API server's JSON, read and taken", 1 / values["line"], "1/s", at_least=100_000)
    yield figure("statuses from the API server's JSON, read", 1 / values["status"], "1/s")
    yield figure("writer's folding of such a fact, and telling it", values["folded"] * 1e6, "µs")
    yield figure("node read whole, for the first time", values["first"] * 1e6, "µs")
    yield figure(f"list of {SIZES[-1]:,} nodes that are known, asked for again", values["listed"], "s", at_most=1.5)
    yield figure("telemetry readings", 1 / values["reading"], "1/s", at_least=2_000_000)
    yield figure(f"snapshot after {CHANGES:,} changes, median", values["snapshot median"] * 1e3, "ms", at_most=0.1)
    yield figure(f"snapshot after {CHANGES:,} changes, worst", values["snapshot worst"] * 1e3, "ms", at_most=1)
    yield figure("release of a snapshot, worst", values["release worst"] * 1e3, "ms", at_most=0.1)
    yield figure("one turn of the reaper, worst", values["reap worst"] * 1e3, "ms", at_most=1)
    yield figure("restart from the file, warm", values["restart"], "s", at_most=1)


def measured(count: int) -> dict[str, float]:
    """Everything of one size, in seconds and bytes."""
    estate = Estate(count, _NOW + timedelta(days=30))
    before = _resident(estate.facts.rack_of)
    inventory = Inventory(estate.facts)
    values = {"node and workload put": _build(inventory, estate) / count}
    gc.collect()
    gc.freeze()
    values["bytes"] = (_resident() - before) / count
    values |= _of_changes(inventory, estate)
    values |= _of_snapshots(inventory, estate)
    values |= _of_readings(inventory, estate)
    values |= _of_json(inventory, estate)
    values |= _of_history(inventory, estate)
    values |= _of_file(inventory)
    _LAST[:] = [(inventory, estate)]
    return values | {"floor": _floor()}


def again(seed: int) -> dict[str, float]:
    """One round of changes and a snapshot, of what this process measured last: processor seconds."""
    inventory, estate = _LAST[0]
    day = estate.happenings(10_000 + seed, CHANGES)
    taken = _taken(inventory, day) / len(day)
    held: list[FrozenEstate] = []
    snapshot = _seconds(lambda: held.append(inventory.snapshot(_VERSION)))
    held.clear()
    while inventory.reap():
        pass
    return {"change": taken, "snapshot least": snapshot}


def _build(inventory: Inventory, estate: Estate) -> float:
    """Seconds of the engine alone, without those that make what it is given."""
    taken = 0.0
    things: Iterator[Change] = chain(map(NodeSeen, estate.seen()), map(WorkloadSeen, estate.running()))
    while batch := list(islice(things, 1_000)):
        taken += _taken(inventory, batch)
    return taken


def _of_changes(inventory: Inventory, estate: Estate) -> dict[str, float]:
    day, moves, turnover = estate.happenings(1, 60_000), estate.bindings(2, 30_000), estate.turnover(3, 500)
    alone = _taken(inventory, day)
    with _reading(inventory):
        accompanied = _taken(inventory, estate.happenings(4, 60_000))
    return {
        "change": alone / len(day),
        "change beside a reader": accompanied / len(day),
        "move": _taken(inventory, moves) / len(moves),
        "turnover": _taken(inventory, turnover) / len(turnover),
    }


def _of_snapshots(inventory: Inventory, estate: Estate) -> dict[str, float]:
    taken: list[float] = []
    released: list[float] = []
    reaped: list[float] = []
    held: list[FrozenEstate] = []
    for round_ in range(ROUNDS):
        _taken(inventory, estate.happenings(100 + round_, CHANGES))
        taken.append(_seconds(lambda: held.append(inventory.snapshot(_VERSION))))
        if len(held) > HELD:
            released.append(_seconds(lambda: held.pop(0)))
            while inventory.reap(0):
                reaped.append(_seconds(inventory.reap))
    return {
        "snapshot median": median(taken),
        "snapshot worst": max(taken),
        "release worst": max(released),
        "reap worst": max(reaped),
        "resident": _resident(),
    }


def _of_readings(inventory: Inventory, estate: Estate) -> dict[str, float]:
    """Batches of the whole fleet, of a thousand nodes at a time, and every metric in turn; NaN and blank among them."""
    uuids = estate.uuids()
    size = 1_000 * DEVICES
    rosters = [inventory.roster(uuids[at : at + size]) for at in range(0, len(uuids), size)]
    random = np.random.default_rng(7)
    values = random.integers(100_000, 700_000, size).astype(np.float64)
    values[::97] = np.nan
    blank = random.random(size) < 0.01
    batches = [Batch(metric, values, _TOLD, blank) for metric in Metric]
    inventory.snapshot(_VERSION)
    seconds = _seconds(lambda: [inventory.read(roster, batch) for batch in batches for roster in rosters])
    return {"reading": seconds / (len(uuids) * len(batches))}


def _of_json(inventory: Inventory, estate: Estate) -> dict[str, float]:
    """A watch's lines on the source's way: nodes cordoned, lost and back, and statuses of pods; and a list again."""
    names = estate.names[:: max(estate.nodes // WATCHED, 1)]
    way = _Way(inventory, estate)
    first = way.go(resources.NODES, [objects.node(n, f"uid-{n}") for n in names])
    way.go(resources.PODS, [_pod(n, "0") for n in names])
    facts = [
        way.go(resources.NODES, [objects.node(n, f"uid-{n}", cordoned=cordoned, ready=ready) for n in names])
        for cordoned, ready in ((True, True), (True, False), (False, False), (False, True))
    ]
    assert all(f.told == len(names) for f in facts), "a line that only changes a fact was not told as one"
    statuses = way.go(resources.PODS, [_pod(n, "1") for n in names])
    assert statuses.told == 0, "a status became news"
    page = b'{"kind":"NodeList","metadata":{},"items":[%b]}' % b",".join(
        objects.node(n, f"uid-{n}") for n in names[:500]
    )
    return {
        "first": first.read / len(names),
        "line": sum(f.read + f.taken for f in facts) / len(names) / len(facts),
        "status": statuses.read / len(names),
        "folded": sum(f.folded for f in facts) / len(names) / len(facts),
        "listed": estate.nodes / min(PAGE, len(names)) * min(_seconds(lambda: way.list(page)) for _ in range(20)),
    }


@dataclass(slots=True)
class _Took:
    """Seconds of the parts of the way, and how many facts came of it."""

    read: float = 0.0
    folded: float = 0.0
    taken: float = 0.0
    told: int = 0


class _Way:
    """From an API server's line to a follower's columns, with what each part of it takes."""

    def __init__(self, inventory: Inventory, estate: Estate) -> None:
        self._inventory = inventory
        self._model = ClusterModel("kubernetes/eu-1", CLUSTER, estate.facts)
        self._state = Folded(FrozenEstate(_VERSION, estate.facts))

    def go(self, kind: resources.Resource, raws: list[bytes]) -> _Took:
        """Objects as a watch brings them."""
        took = _Took()
        for lines in batched((b'{"type":"MODIFIED","object":%b}' % raw for raw in raws), BATCH):
            self._batch(kind, lines, took)
        return took

    def list(self, page: bytes) -> None:
        """Nodes that are known, in a list that was asked for again."""
        for written in page_of(page, "GET /a/list")[0].written:
            self._model.see(resources.NODES, written)

    def _batch(self, kind: resources.Resource, lines: Sequence[bytes], took: _Took) -> None:
        began = time.thread_time()
        for line in lines:
            self._model.see(kind, event_of(line, "GET /a/watch").written)
        while self._model.settle(BATCH):
            pass
        seen = self._model.take()
        read = time.thread_time()
        folding = fold(self._state, seen)
        said = telling.told(self._state.estate, folding.nodes, folding.workloads)
        self._state = folding.state
        folded = time.thread_time()
        self._inventory.take(said.alterations, _TOLD)
        took.read, took.folded, took.taken = (
            took.read + read - began,
            took.folded + folded - read,
            took.taken + time.thread_time() - folded,
        )
        took.told += len(said.alterations)


def _pod(node: str, message: str) -> bytes:
    return objects.pod(f"serve-{node}-3", f"uid-pod-{node}", node=node, phase="Running", message=message)


def _of_history(inventory: Inventory, estate: Estate) -> dict[str, float]:
    """The version in the middle of a chapter, so that half its deltas are played again."""
    history = History()
    nodes = list(islice(estate.seen(), 200))
    for sequence, node in enumerate(nodes, start=1):
        version = _VERSION.model_copy(update={"sequence": sequence})
        changed = node.model_copy(update={"idle_watts": _MARK})
        delta = Delta(version=version, at=_NOW, nodes=(changed,))
        inventory.follow(delta, estate.facts, "benchmark")
        history.note(inventory.snapshot(version), delta)
    wanted = _VERSION.model_copy(update={"sequence": 65})
    found = history.as_of(wanted)
    assert found is not None, "the history does not reach back"
    assert sum(1 for n in nodes if (known := found.node(n.id)) and known.idle_watts == _MARK) == wanted.sequence
    fresh = inventory.snapshot(_VERSION)
    names = estate.names[500:1_000]
    return {
        "as of": _seconds(lambda: history.as_of(wanted)),
        "node made": _seconds(lambda: [fresh.node(name) for name in names]) / len(names),
    }


def _of_file(inventory: Inventory) -> dict[str, float]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "columns"
        saved = _seconds(lambda: files.save(path, inventory, _VERSION, ""))
        restarted = _seconds(lambda: files.load(path, lambda _: inventory.facts))
    return {"save": saved, "restart": restarted}


def _taken(inventory: Inventory, happened: Sequence[Change]) -> float:
    def take() -> None:
        for at in range(0, len(happened), BATCH):
            inventory.take(happened[at : at + BATCH], _TOLD)

    return _seconds(take)


class _reading:  # a context manager reads as what it does
    """A thread that asks a snapshot for nodes and sums as long as the block lasts."""

    def __init__(self, inventory: Inventory) -> None:
        self._estate = inventory.snapshot(_VERSION)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _read(self) -> None:
        racks = list(self._estate.facts.rack)
        while not self._ended.is_set():
            for rack in racks[:: max(len(racks) // 50, 1)]:
                self._estate.nodes_in(rack)
                self._estate.rack_watts(rack)


def _seconds(work: Callable[[], object]) -> float:
    started = time.thread_time()
    work()
    return time.thread_time() - started


def _floor() -> float:
    slots = array("q", [0]) * 100_000

    def add() -> None:
        for at in range(100_000):
            slots[at] += 1

    return min(_seconds(add) for _ in range(20)) / 100_000


def _resident(*_: Iterable[object]) -> int:
    """Bytes of this process in memory."""
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * 4096


if __name__ == "__main__":
    main("inventory", measure)
