"""The ruler of placement: devices allocated under arrivals that never leave, beside baselines and published results.

    python -m benchmarks.placement --nodes FILE --pods FILE --seeds 42-51 --at 100,130 -o json

The protocol is that of the simulator of Weng et al. (USENIX ATC 2023): the pods by name, shuffled by the seed; then
more, drawn with replacement, until the next would pass the most load. One at a time, no retry; what does not fit is
dropped. Allocation at k is the mean over arrivals whose cumulative requested load rounds to k per cent. Python's own
generator, `random.Random(seed)`, shuffles the pods, draws, and then shuffles the nodes' order, as that simulator
numbers them anew.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, pstdev

import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import machine
from benchmarks.referees import Referee
from benchmarks.timelines import Timeline, timeline
from benchmarks.traces import Trace, published, trace
from tools.placement.packing.demands import Request
from tools.placement.packing.engine import Packer, Rule, Seat
from tools.placement.packing.expecting import Foresight
from tools.placement.packing.fleets import Fleet
from tools.placement.packing.weights import weights_of

TYPICAL = 0.95
"""The published policy knows the commonest classes of the trace that come to so much of it."""
OURS, GRADIENT = "placet", "gradient"
BESIDE = "published_results.csv"
"""Published results are read from it, where it lies beside the pods."""
BASELINES = ("random", "first fit", "best fit", GRADIENT)
PUBLISHED = {"random": "01-Random", "best fit": "05-BestFit", GRADIENT: "06-FGD"}
TOLERANCE = 0.1

type Placing = Callable[[Request], Seat | None]


@dataclass(frozen=True, slots=True)
class Score:
    """A policy at one load, over the seeds: allocation in per cent of all devices."""

    policy: str
    at: int
    mean: float
    sd: float
    published: tuple[float, float] | None
    beside_gradient: float
    """The mean of the differences, seed by seed, from the published policy as it is run here."""


def arrivals(known: Trace, seed: int, most: int) -> tuple[list[int], NDArray[np.int64]]:
    """The pods in the order of their arrival, up to `most` per cent of the fleet, and the order of the nodes."""
    dice = random.Random(seed)
    order = list(range(len(known.pods)))
    dice.shuffle(order)
    limit, load, found = known.milli * most // 100, 0, []
    drawn = iter(order)
    while True:
        pod = next(drawn, None)
        pod = dice.randrange(len(known.pods)) if pod is None else pod
        load += known.requests[pod].gpu_milli
        if load > limit:
            break
        found.append(pod)
    nodes = list(range(len(known.fleet.kind)))
    dice.shuffle(nodes)
    return found, np.array(nodes)


def policies(known: Trace, fleet: Fleet, seed: int) -> Mapping[str, Callable[[], Placing]]:
    """What is compared: each made when its turn comes."""
    return {
        "random": lambda: Packer(fleet, Rule.RANDOM, seed).place,
        "first fit": lambda: Packer(fleet, Rule.FIRST).place,
        "best fit": lambda: Packer(fleet, Rule.BEST).place,
        GRADIENT: lambda: _gradient(known, fleet).place,
        OURS: lambda: _foreseeing(Foresight(Packer(fleet))),
    }


def _gradient(known: Trace, fleet: Fleet) -> Packer:
    """Fragmentation gradient descent as published: it knows the distribution of the trace, and no memory."""
    packer = Packer(fleet)
    counts = np.bincount([packer.number(request) for request in known.requests])
    common = np.argsort(-counts, kind="stable")
    needed = int(np.searchsorted(counts[common].cumsum(), TYPICAL * counts.sum())) + 1
    chances = np.zeros(len(counts))
    chances[common[:needed]] = counts[common[:needed]] / counts[common[:needed]].sum()
    packer.weigh(weights_of(packer.classes.columns, chances, with_memory=False))
    return packer


def _foreseeing(foresight: Foresight) -> Placing:
    def place(request: Request) -> Seat | None:
        if foresight.due:
            foresight.look()
        return foresight.place(request)

    return place


def allocation(known: Trace, fleet: Fleet, pods: Sequence[int], placing: Placing, at: Sequence[int]) -> list[float]:
    """Per cent of all devices allocated at each of these loads. The referee checks every answer."""
    referee = Referee(fleet)
    load, taken, curve = 0, 0, []
    for pod in pods:
        request = known.requests[pod]
        seat = placing(request)
        referee.check(request, seat)
        load += request.gpu_milli
        taken += request.gpu_milli if seat else 0
        curve.append((load, taken))
    loads, allocated = np.array(curve).T * 100 / known.milli
    return [float(allocated[np.round(loads) == percent].mean()) for percent in at]


def measure(known: Trace, seeds: Sequence[int], at: Sequence[int], wanted: Set[str]) -> dict[str, list[list[float]]]:
    """By policy, seed and load."""
    found: dict[str, list[list[float]]] = {}
    for seed in seeds:
        pods, order = arrivals(known, seed, max(at))
        fleet = known.fleet.of(order)
        chosen = {name: make for name, make in policies(known, fleet, seed).items() if name in wanted}
        for name, make in chosen.items():
            started = time.process_time()
            figures = allocation(known, fleet, pods, make(), at)
            found.setdefault(name, []).append(figures)
            words = ", ".join(f"{f:.2f} at {percent}" for f, percent in zip(figures, at, strict=True))
            print(f"seed {seed}: {name}: {words} ({time.process_time() - started:.1f} s)", file=sys.stderr, flush=True)
    return found


def scores(
    found: Mapping[str, list[list[float]]], at: Sequence[int], said: Mapping[str, Mapping[int, tuple[float, float]]]
) -> list[Score]:
    """The table, and ours beside the published policy seed by seed."""
    made = []
    for name, seeds in found.items():
        for place, percent in enumerate(at):
            values = [figures[place] for figures in seeds]
            besides = mean(v - g[place] for v, g in zip(values, found[GRADIENT], strict=True))
            told = said.get(PUBLISHED.get(name, ""), {}).get(percent)
            made.append(Score(name, percent, round(mean(values), 3), round(pstdev(values), 3), told, round(besides, 3)))
    return made


def holds(made: Sequence[Score], said: Mapping[str, Mapping[int, tuple[float, float]]]) -> bool:
    """Whether ours is not below the published policy, as it is run here and as it was published, at any load."""
    ours = [score for score in made if score.policy == OURS]
    told = {percent: figures[0] for percent, figures in said.get(PUBLISHED[GRADIENT], {}).items()}
    return all(s.beside_gradient >= -TOLERANCE and s.mean >= told.get(s.at, 0.0) - TOLERANCE for s in ours)


def main() -> None:
    """Measure, print, and leave with 1 if ours is below."""
    options = _options()
    known = trace(options.nodes, options.pods)
    name = options.pods.stem.removeprefix("openb_pod_list_")
    told_in = options.published or options.pods.with_name(BESIDE)
    said = published(told_in, name) if options.published or told_in.exists() else {}
    found = measure(known, options.seeds, options.at, {*options.policies, GRADIENT, OURS})
    made = scores(found, options.at, said)
    timed = timeline(known, options.offered) if all(pod.creation_time is not None for pod in known.pods) else None
    if options.o == "json":
        told = None if timed is None else asdict(timed)
        held = holds(made, said)
        print(
            json.dumps(
                {
                    "benchmark": "placement",
                    "machine": machine(),
                    "trace": name,
                    "seeds": list(options.seeds),
                    "scores": [asdict(s) for s in made],
                    "holds": held,
                    "timeline": told,
                }
            )
        )
    else:
        _table(made, timed)
    if not holds(made, said):
        sys.exit(1)


def _table(made: Sequence[Score], timed: Timeline | None) -> None:
    for s in made:
        told = f"published {s.published[0]:.2f} ± {s.published[1]:.2f}" if s.published else ""
        beside = f"beside gradient {s.beside_gradient:+.2f}"
        print(f"{s.policy:<10} at {s.at:>3} %: {s.mean:6.2f} ± {s.sd:.2f}  {beside}  {told}")
    for track in timed.tracks if timed else ():
        served = f"{track.allocation_percent:.2f} % allocated, {track.admitted_percent:.2f} % admitted"
        print(f"{track.policy:<10} with departures: {served}, waited {track.waiting_seconds_mean:.0f} s in the mean")
    if timed:
        print(f"classes below their share under first come, first served: {timed.classes_below} of {timed.classes}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.placement", description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=Path, required=True, metavar="FILE", help="the nodes, as CSV")
    parser.add_argument("--pods", type=Path, required=True, metavar="FILE", help="the pods, as CSV")
    parser.add_argument(
        "--published", type=Path, metavar="FILE", help=f"published results, as CSV ({BESIDE} beside the pods)"
    )
    parser.add_argument("--seeds", type=_span, default=_span("42-51"), metavar="A-B", help="first and last (42-51)")
    parser.add_argument("--at", type=_loads, default=[100, 130], metavar="K,K", help="loads in per cent (100,130)")
    parser.add_argument(
        "--policies",
        type=_baselines,
        default=BASELINES,
        metavar="P,P",
        help=f"baselines besides the published policy: {', '.join(BASELINES[:-1])} (all)",
    )
    parser.add_argument(
        "--offered", type=_load, default=1.5, metavar="X", help="peak load of the track with times, of its fleet (1.5)"
    )
    parser.add_argument("-o", choices=("table", "json"), default="table")
    return parser.parse_args()


def _span(text: str) -> Sequence[int]:
    first, _, last = text.partition("-")
    try:
        found = range(int(first), int(last or first) + 1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"`{text}` is no span of seeds: give one as `42-51`") from None
    if not found:
        raise argparse.ArgumentTypeError(f"`{text}` holds no seed: give the smaller one first")
    return found


def _baselines(text: str) -> list[str]:
    found = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in found if name not in BASELINES]:
        raise argparse.ArgumentTypeError(f"`{unknown[0]}` is no baseline: choose of {', '.join(BASELINES)}")
    return found


def _load(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0.0 < found <= 100.0:
        raise argparse.ArgumentTypeError(f"`{text}` is no peak load: give one above 0, as 1.5")
    return found


def _loads(text: str) -> list[int]:
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"`{text}` is no list of loads: give one as `100,130`") from None
    if min(found) < 1 or max(found) > 1000:
        raise argparse.ArgumentTypeError(f"`{text}` has a load outside 1 to 1000 per cent")
    return found


if __name__ == "__main__":
    main()
