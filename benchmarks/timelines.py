"""The track with real arrivals and departures: what is allocated over time, who waits, and who never starts.

On every other node, or the trace would never fill the fleet. Its order, its gaps in proportion and every pod's own
duration are kept; the gaps are divided by one number, so that at its peak the load is what was asked for. First come,
first served lets nobody overtake. Ours lets whoever fits go ahead until the head of the queue has waited as long as
pods have lasted in the mean so far; then nobody overtakes it.
"""

from __future__ import annotations

import heapq
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from statistics import mean

import numpy as np

from benchmarks.referees import Referee
from benchmarks.traces import Trace
from tools.placement.packing.demands import Request
from tools.placement.packing.engine import Packer, Rule, Seat
from tools.placement.packing.expecting import Foresight

_HALVINGS = 30


@dataclass(frozen=True, slots=True)
class Track:
    """One policy over the whole time."""

    policy: str
    allocation_percent: float
    """Of all devices, in the mean over time, to the last arrival."""
    admitted_percent: float
    """Of the pods, started by the last arrival."""
    waiting_seconds_mean: float
    """Of those that started."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Ours beside first come, first served."""

    offered: float
    gaps_divided_by: float
    tracks: tuple[Track, ...]
    classes: int
    classes_below: int
    """Classes of which a smaller share was admitted than under first come, first served."""


@dataclass(slots=True)
class _Run:
    """A queue before a fleet; time stands at `now`."""

    place: Callable[[Request], Seat | None]
    retry: Callable[[Request], Seat | None]
    release: Callable[[Seat], None]
    overtaking: bool
    now: float = 0.0
    busy: int = 0
    area: float = 0.0
    queue: deque[tuple[float, Request, float]] = field(default_factory=deque)
    leaving: list[tuple[float, int, Seat, int]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    started: dict[Request, int] = field(default_factory=dict)
    lasted: float = 0.0

    def arrive(self, request: Request, lasts: float) -> None:
        """One more: at once, where nobody waits or it may overtake; else it waits."""
        seat = self.place(request) if not self.queue or self._open(self.queue[0][0]) else None
        if seat is None:
            self.queue.append((self.now, request, lasts))
        else:
            self._start(self.now, request, lasts, seat)

    def _open(self, came: float) -> bool:
        """Whether the head of the queue, which came then, may be overtaken."""
        return self.overtaking and (self.now - came) * len(self.waits) <= self.lasted

    def until(self, then: float) -> None:
        """Let time pass: who is done leaves, and the queue is looked at again."""
        while self.leaving and self.leaving[0][0] <= then:
            self._pass(self.leaving[0][0])
            while self.leaving and self.leaving[0][0] <= self.now:
                _, _, seat, milli = heapq.heappop(self.leaving)
                self.release(seat)
                self.busy -= milli
            self.serve()
        self._pass(then)

    def _pass(self, then: float) -> None:
        self.area += self.busy * (then - self.now)
        self.now = then

    def serve(self) -> None:
        """Start whom there is room for, in the order of their arrival."""
        refused: set[Request] = set()
        still: deque[tuple[float, Request, float]] = deque()
        while self.queue and (not refused or self._open(still[0][0])):
            came, request, lasts = self.queue.popleft()
            seat = None if request in refused else self.retry(request)
            if seat is None:
                refused.add(request)
                still.append((came, request, lasts))
            else:
                self._start(came, request, lasts, seat)
        self.queue = still + self.queue

    def _start(self, came: float, request: Request, lasts: float, seat: Seat) -> None:
        heapq.heappush(self.leaving, (self.now + lasts, len(self.waits), seat, request.gpu_milli))
        self.busy += request.gpu_milli
        self.lasted += lasts
        self.waits.append(self.now - came)
        self.started[request] = self.started.get(request, 0) + 1


def timeline(known: Trace, offered: float) -> Timeline:
    """Both policies over the trace's own times, on every other node: all of it at once asks for less than the fleet."""
    half = np.arange(0, len(known.fleet.kind), 2)
    known = replace(known, fleet=known.fleet.of(half))
    came = _arrivals(known)
    pace = _pace(came, offered * known.milli)
    runs = {"first come": _first_come(known), "placet": _ours(known)}
    for name, run in runs.items():
        print(f"timeline: {name}", file=sys.stderr, flush=True)
        for at, lasts, request in came:
            run.until((at - came[0][0]) / pace)
            run.arrive(request, lasts)
    tracks, classes, below = _beside(known, runs)
    return Timeline(offered, round(pace, 1), tracks, classes, below)


def _pace(came: list[tuple[int, int, Request]], wanted: float) -> float:
    """By how much gaps are divided so that at most so many milli-GPU would run at once, had everything room."""
    at = np.array([begins - came[0][0] for begins, _, _ in came], dtype=float)
    lasts = np.array([lasting for _, lasting, _ in came], dtype=float)
    milli = np.array([request.gpu_milli for _, _, request in came])
    slow, fast = 1.0, max(float(at[-1]), 1.0)
    for _ in range(_HALVINGS):
        pace = (slow * fast) ** 0.5
        changes = np.argsort(np.concatenate([at / pace, at / pace + lasts]), kind="stable")
        most = np.concatenate([milli, -milli])[changes].cumsum().max()
        slow, fast = (pace, fast) if most < wanted else (slow, pace)
    return slow


def _arrivals(known: Trace) -> list[tuple[int, int, Request]]:
    times = [(pod.creation_time or 0, pod.deletion_time or 0) for pod in known.pods]
    empty = Referee(known.fleet)  # what fits no empty node would stand at the head of the queue for ever
    fitting = {request for request in set(known.requests) if empty.room(request).any()}
    order = sorted((at for at in range(len(times)) if known.requests[at] in fitting), key=lambda at: (times[at][0], at))
    return [(times[at][0], max(times[at][1] - times[at][0], 1), known.requests[at]) for at in order]


def _first_come(known: Trace) -> _Run:
    packer = Packer(known.fleet, Rule.FIRST)
    return _Run(packer.place, packer.place, packer.release, overtaking=False)


def _ours(known: Trace) -> _Run:
    foresight = Foresight(Packer(known.fleet))

    def place(request: Request) -> Seat | None:
        if foresight.due:
            foresight.look()
        return foresight.place(request)

    return _Run(place, foresight.packer.place, foresight.release, overtaking=True)


def _beside(known: Trace, runs: dict[str, _Run]) -> tuple[tuple[Track, ...], int, int]:
    tracks = tuple(
        Track(
            name,
            round(100 * run.area / max(run.now * known.milli, 1), 3),
            round(100 * len(run.waits) / len(known.pods), 3),
            round(mean(run.waits), 1) if run.waits else 0.0,
        )
        for name, run in runs.items()
    )
    fair, ours = runs["first come"].started, runs["placet"].started
    below = sum(1 for request, started in fair.items() if ours.get(request, 0) < started)
    return tracks, len(set(known.requests)), below
