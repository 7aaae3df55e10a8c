"""How fast one placement is decided, on one core, as the fleet grows: the node list of a trace, repeated.

    python -m benchmarks.placement_speed --nodes FILE --pods FILE -o json

Each fleet is filled to half its devices by pods drawn from the trace, then more are placed one by one through the
engine's own door, each timed by itself. Looks ahead (`Foresight.look`), made in the background, are timed apart.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.figures import Figure, figure, machine, percentile
from benchmarks.traces import Trace, trace
from tools.placement.packing.demands import Request
from tools.placement.packing.engine import Packer
from tools.placement.packing.expecting import Foresight
from tools.placement.packing.fleets import Fleet

GOALS = {1_213: 15_000, 12_130: 10_000, 100_679: 3_000}
"""Nodes, and decisions a second."""
_MEASURED = 20_000
_FILLED = 0.5
_MOST_MEBIBYTES = 2_048


def repeated(fleet: Fleet, nodes: int) -> Fleet:
    """The node list over and over, up to so many nodes."""
    return fleet.of(np.arange(nodes) % len(fleet.kind))


def measure(known: Trace) -> list[Figure]:
    """Each size in turn; memory is that of the whole process at its largest."""
    _decided(Foresight(Packer(known.fleet)), list(known.requests[:200]))  # what is compiled or loaded is not measured
    found: list[Figure] = []
    for nodes, goal in GOALS.items():
        print(f"{nodes} nodes", file=sys.stderr, flush=True)
        found += _figures(known, repeated(known.fleet, nodes), goal)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [*found, figure(f"memory at {max(GOALS)} nodes", peak, "MiB", at_most=_MOST_MEBIBYTES)]


def _figures(known: Trace, fleet: Fleet, goal: int) -> list[Figure]:
    foresight, dice, nodes = Foresight(Packer(fleet)), random.Random(42), len(fleet.kind)
    half, looks = _FILLED * 1000 * float(fleet.devices.sum()), []
    while foresight.packer.free_milli > half:
        _decided(foresight, dice.choices(known.requests, k=max(nodes // 4, 1)))
        if foresight.due:
            started = time.process_time()
            foresight.look()
            looks.append(time.process_time() - started)
    taken = _decided(foresight, dice.choices(known.requests, k=min(_MEASURED, 3 * nodes)))
    rate = len(taken) / sum(taken)
    return [
        figure(f"decisions at {nodes} nodes", rate, "1/s", at_least=goal),
        figure(f"decision at {nodes} nodes p50", percentile(taken, 50) * 1e6, "µs"),
        figure(f"decision at {nodes} nodes p99", percentile(taken, 99) * 1e6, "µs"),
        figure(f"a look ahead at {nodes} nodes, in the background", float(np.mean(looks)), "s"),
    ]


def _decided(foresight: Foresight, requests: Sequence[Request]) -> list[float]:
    """The processor time of each decision."""
    found = []
    for request in requests:
        started = time.process_time_ns()
        foresight.place(request)
        found.append((time.process_time_ns() - started) / 1e9)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.placement_speed")
    parser.add_argument("--nodes", type=Path, required=True, metavar="FILE", help="the nodes, as CSV")
    parser.add_argument("--pods", type=Path, required=True, metavar="FILE", help="the pods, as CSV")
    parser.add_argument("-o", choices=("table", "json"), default="table")
    options = parser.parse_args()
    figures = measure(trace(options.nodes, options.pods))
    if options.o == "json":
        told = [asdict(f) for f in figures]
        print(json.dumps({"benchmark": "placement_speed", "machine": machine(), "figures": told}))
        return
    for f in figures:
        mark = {None: "", True: "  holds", False: "  DOES NOT HOLD"}[f.holds]
        print(f"{f.name:<50}  {f.value:>12,.6g} {f.unit:<5} {f.goal}{mark}")


if __name__ == "__main__":
    main()
