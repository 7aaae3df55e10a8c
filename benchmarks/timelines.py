"""The track with real arrivals and departures: what is allocated over time, who waits, and who never starts.

On every other node, or the trace would never fill the fleet. Its order, its gaps in proportion and every pod's own
duration are kept; the gaps are divided by one number, so that at its peak the load is what was asked for. First come,
first served lets nobody overtake. Ours is `tools.placement.packing.queueing`. A referee checks every seat of both.
"""

from __future__ import annotations

import heapq
import sys
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from math import inf
from statistics import mean

import numpy as np

from benchmarks.referees import Referee
from benchmarks.traces import Trace
from tools.placement.packing.demands import Request
from tools.placement.packing.engine import Packer, Rule, Seat
from tools.placement.packing.queueing import Queue, Step, Ticket

_HALVINGS = 30
_SECOND = 10**9
"""Times are whole nanoseconds: who would begin at the same moment does."""


@dataclass(frozen=True, slots=True)
class Track:
    """One policy over the whole time."""

    policy: str
    allocation_percent: float
    """Of all devices, in the mean over time, to the last arrival."""
    admitted_percent: float
    """Of the pods, started by the last arrival."""
    waiting_seconds_mean: float
    """Of those that started, to their last start."""
    sent_back: int
    """Times that somebody lost a seat, and began anew later."""
    lost_percent: float
    """Of what was allocated: what those had done; it is left out of the allocation."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Ours beside first come, first served."""

    offered: float
    gaps_divided_by: float
    tracks: tuple[Track, ...]
    classes: int
    classes_below: int
    """Classes of which a smaller share was admitted than under first come, first served."""
    later: int
    """Pods that started later than under first come, first served, or had not started when they would have."""
    later_seconds_most: float


@dataclass(slots=True)
class _Course:
    """What becomes of every pod, by its place in the trace; time stands at `now`."""

    referee: Referee
    now: float = 0.0
    busy: int = 0
    area: float = 0.0
    lost: float = 0.0
    sent_back: int = 0
    leaving: list[tuple[float, int]] = field(default_factory=list)
    seats: dict[int, tuple[Request, Seat]] = field(default_factory=dict)
    began: dict[int, float] = field(default_factory=dict)
    came: dict[int, float] = field(default_factory=dict)

    def begin(self, pod: int, request: Request, seat: Seat, lasts: float) -> None:
        """It starts now."""
        self.referee.check(request, seat)
        heapq.heappush(self.leaving, (self.now + lasts, pod))
        self.seats[pod], self.began[pod] = (request, seat), self.now
        self.busy += request.gpu_milli

    def back(self, pod: int) -> None:
        """It loses its seat, and what it has done so far."""
        request, seat = self.seats.pop(pod)
        self.referee.release(request, seat)
        self.leaving = [entry for entry in self.leaving if entry[1] != pod]
        heapq.heapify(self.leaving)
        self.busy -= request.gpu_milli
        self.lost += request.gpu_milli * (self.now - self.began.pop(pod))
        self.sent_back += 1

    def move(self, then: float) -> None:
        """Time passes, and nothing happens."""
        self.area += self.busy * (then - self.now)
        self.now = then

    def done(self) -> list[int]:
        """Who ends now."""
        found = []
        while self.leaving and self.leaving[0][0] <= self.now:
            found.append(heapq.heappop(self.leaving)[1])
            request, seat = self.seats[found[-1]]
            self.referee.release(request, seat)
            self.busy -= request.gpu_milli
        return found


class _FirstCome:
    """Nobody overtakes; first fit."""

    def __init__(self, known: Trace) -> None:
        self.course = _Course(Referee(known.fleet))
        self._packer = Packer(known.fleet, Rule.FIRST)
        self._queue = deque[tuple[int, Request, float]]()

    def arrive(self, pod: int, request: Request, lasts: float) -> None:
        self._queue.append((pod, request, lasts))
        if len(self._queue) == 1:
            self._serve()

    def leave(self, pods: list[int]) -> None:
        for pod in pods:
            self._packer.release(self.course.seats[pod][1])
        self._serve()

    @property
    def due(self) -> float | None:
        """It waits for nothing but arrivals and ends."""
        return None

    def wake(self) -> None:
        return

    def _serve(self) -> None:
        while self._queue and (seat := self._packer.place(self._queue[0][1])) is not None:
            pod, request, lasts = self._queue.popleft()
            self.course.begin(pod, request, seat, lasts)


class _Ours:
    """The queue that is measured. How long a pod lasts, it learns when the pod ends."""

    def __init__(self, known: Trace) -> None:
        self.course = _Course(Referee(known.fleet))
        self.queue = Queue(known.fleet)
        self._lasts = dict[int, float]()
        self._tickets = dict[int, Ticket]()
        self._pods = list[int]()

    def arrive(self, pod: int, request: Request, lasts: float) -> None:
        self._pods.append(pod)
        self._lasts[pod] = lasts
        ticket, steps = self.queue.arrive(request, self.course.now)
        self._tickets[pod] = ticket
        self._take(steps)

    def leave(self, pods: list[int]) -> None:
        self._take(self.queue.leave([self._tickets[pod] for pod in pods], self.course.now))

    @property
    def due(self) -> float | None:
        return self.queue.due

    def wake(self) -> None:
        self._take(self.queue.pass_time(self.course.now))

    def _take(self, steps: list[Step]) -> None:
        for step in steps:
            pod = self._pods[step.ticket.order]
            if step.seat is None:
                self.course.back(pod)
            else:
                self.course.begin(pod, step.ticket.request, step.seat, self._lasts[pod])


def timeline(known: Trace, offered: float) -> Timeline:
    """Both policies over the trace's own times, on every other node: all of it at once asks for less than the fleet."""
    half = np.arange(0, len(known.fleet.kind), 2)
    known = replace(known, fleet=known.fleet.of(half))
    came = _arrivals(known)
    pace = _pace(came, offered * known.milli)
    runs: dict[str, _FirstCome | _Ours] = {"first come": _FirstCome(known), "placet": _Ours(known)}
    for name, run in runs.items():
        print(f"timeline: {name}", file=sys.stderr, flush=True)
        for pod, (at, lasts, request) in enumerate(came):
            _until(run, round((at - came[0][0]) / pace * _SECOND))
            run.course.came[pod] = run.course.now
            run.arrive(pod, request, lasts * _SECOND)
    return _beside(known, came, Timeline(offered, round(pace, 1), (), len(set(known.requests)), 0, 0, 0.0), runs)


def _until(run: _FirstCome | _Ours, then: float) -> None:
    course = run.course
    while (at := _next(run)) <= then:
        course.move(at)
        if ended := course.done():
            run.leave(ended)
        else:
            run.wake()
    course.move(then)


def _next(run: _FirstCome | _Ours) -> float:
    """When something happens of itself."""
    ends = run.course.leaving[0][0] if run.course.leaving else inf
    return min(ends, inf if run.due is None else run.due)


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


def _beside(
    known: Trace, came: list[tuple[int, int, Request]], told: Timeline, runs: dict[str, _FirstCome | _Ours]
) -> Timeline:
    fair, ours = runs["first come"].course.began, runs["placet"].course
    started = [Counter(came[pod][2] for pod in began) for began in (fair, ours.began)]
    late = [
        ours.began.get(pod, ours.now) - began
        for pod, began in fair.items()
        if pod not in ours.began or ours.began[pod] > began
    ]
    return replace(
        told,
        tracks=tuple(_track(name, run.course, known) for name, run in runs.items()),
        classes_below=sum(1 for request, count in started[0].items() if started[1][request] < count),
        later=len(late),
        later_seconds_most=round(max(late, default=0.0) / _SECOND, 1),
    )


def _track(name: str, course: _Course, known: Trace) -> Track:
    waits = [began - course.came[pod] for pod, began in course.began.items()]
    return Track(
        name,
        round(100 * (course.area - course.lost) / max(course.now * known.milli, 1), 3),
        round(100 * len(waits) / len(known.pods), 3),
        round(mean(waits) / _SECOND, 1) if waits else 0.0,
        course.sent_back,
        round(100 * course.lost / max(course.area, 1), 3),
    )
