"""Who goes ahead in the queue costs nobody their turn: whoever first come, first served has started runs here."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.referees import Referee
from benchmarks.timelines import timeline
from benchmarks.traces import PodRow, Trace
from tools.placement.packing.demands import WHOLE, Request
from tools.placement.packing.fleets import Fleet
from tools.placement.packing.queueing import Queue, Step, Ticket

ONE, BOTH, SHARED = Request(1, 1, 1, WHOLE), Request(1, 1, 2, WHOLE), Request(1, 1, 1, 470)
ELSEWHERE = Request(1, 1, 2, WHOLE, frozenset({1}))


def fleet(*devices: int) -> Fleet:
    """Nodes with so many devices and CPU for six; the last is of a kind of its own."""
    count = len(devices)
    kind, plenty = np.array([*([0] * (count - 1)), 1]), np.full(count, 6)
    return Fleet(kind, plenty, plenty, np.array(devices))


@dataclass
class Hall:
    """A queue, and a referee who sees who sits where."""

    fleet: Fleet
    tickets: list[Ticket] = field(default_factory=list)
    sent_back: int = 0

    def __post_init__(self) -> None:
        self.queue, self.referee = Queue(self.fleet), Referee(self.fleet)
        self.seated: dict[int, Step] = {}

    def arrive(self, request: Request, now: float) -> Ticket:
        ticket, steps = self.queue.arrive(request, now)
        self.tickets.append(ticket)
        self.watch(steps)
        return ticket

    def leave(self, now: float, *tickets: Ticket) -> None:
        for ticket in tickets:
            self._give_back(ticket)
        self.watch(self.queue.leave(tickets, now))

    def watch(self, steps: Iterable[Step]) -> None:
        for step in steps:
            if step.seat is None:
                self._give_back(step.ticket)
                self.sent_back += 1
            else:
                self.referee.check(step.ticket.request, step.seat)
                self.seated[step.ticket.order] = step
        for ticket in self.tickets:
            assert ticket.fair is None or ticket.seat is not None, "the shadow has started it, and here it waits"
            assert (ticket.order in self.seated) == (ticket.seat is not None and ticket.ended is None)

    def _give_back(self, ticket: Ticket) -> None:
        seat = self.seated.pop(ticket.order).seat
        assert seat is not None
        self.referee.release(ticket.request, seat)


@settings(max_examples=15)
@given(st.data())
def test_whoever_first_come_first_served_has_started_runs_or_has_ended(data: st.DataObject) -> None:
    hall, now = Hall(fleet(2, 2, 1, 2)), 0.0
    for _ in range(data.draw(st.integers(5, 25))):
        now += data.draw(st.sampled_from([0.0, 1.0, 5.0]))
        running = [t for t in hall.tickets if t.order in hall.seated]
        if running and data.draw(st.integers(0, 2)) == 0:
            hall.leave(now, *data.draw(st.lists(st.sampled_from(running), min_size=1, max_size=2, unique=True)))
        else:
            hall.arrive(data.draw(st.sampled_from([ONE, ONE, BOTH, SHARED, ELSEWHERE])), now)
    for ticket in hall.tickets:  # and in the end all of them have been served
        if ticket.order in hall.seated:
            hall.leave(now + 1, ticket)
    while left := [t for t in hall.tickets if t.order in hall.seated]:
        hall.leave(now + 2, *left)
    assert all(t.ended is not None for t in hall.tickets)


def coming_and_going(seed: int) -> Trace:
    """Some nodes, of which every other is used, and pods that come and go."""
    dice, pods, now = random.Random(seed), list[PodRow](), 0
    requests = tuple(dice.choices([ONE, ONE, BOTH, SHARED, ELSEWHERE], k=60))
    for number, request in enumerate(requests):
        now += dice.randint(0, 6)
        until = now + dice.choice([1, 2, 5, 20, 60, 200])
        shape = {"num_gpu": request.devices, "cpu_milli": 1, "memory_mib": 1, "gpu_milli": 1}
        pods.append(PodRow(name=str(number), creation_time=now, deletion_time=until, **shape))
    return Trace(fleet(2, 0, 2, 0, 1, 0, 2), ("a", "b"), tuple(pods), requests)


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.sampled_from([1.2, 2.0, 4.0]))
def test_nobody_begins_later_than_under_first_come_first_served(seed: int, offered: float) -> None:
    """Beside another queue, that knows nothing of guests; both learn how long a pod lasts from its end alone."""
    found = timeline(coming_and_going(seed), offered)
    assert (found.later, found.classes_below) == (0, 0)
    fair, ours = found.tracks
    assert ours.admitted_percent >= fair.admitted_percent


def test_a_guest_goes_ahead_and_is_sent_back_once_it_is_in_the_way() -> None:
    """Nobody knows how long a guest will stay; without sending it back the head would wait for it for ever."""
    hall = Hall(fleet(2, 0))
    first, head, guest = (hall.arrive(request, float(at)) for at, request in enumerate((ONE, BOTH, ONE)))
    assert (head.seat, guest.seat is not None, hall.sent_back) == (None, True, 0)
    hall.leave(10.0, first)
    assert (head.seat is not None, guest.seat, hall.sent_back) == (True, None, 1)
    hall.leave(20.0, head)
    assert guest.since == 20.0


def test_the_head_of_the_queue_holds_up_nobody_who_could_not_serve_it() -> None:
    hall = Hall(fleet(1, 2))
    running, head = hall.arrive(ELSEWHERE, 0.0), hall.arrive(ELSEWHERE, 1.0)
    behind = hall.arrive(ONE, 2.0)
    assert (head.seat, behind.seat is not None) == (None, True)
    hall.leave(5.0, running)
    assert (head.seat is not None, hall.sent_back) == (True, 0)
