"""A queue before a packer: whoever fits may go ahead, and nobody pays for it against first come, first served.

Called by whoever admits work that waits (`benchmarks.timelines`). A *shadow* of the fleet serves the same arrivals
strictly in their order, first fit, nobody overtaking. Whatever starts in the shadow starts here too, at that moment and
on that seat, its *home*; whatever the shadow leaves free goes to those who fit, in the order of their arrival. The
shadow needs no foresight: nothing starts in it before it has started here, so how long it lasts is known by its end.

Who went ahead is a guest until the shadow starts it too. A guest on somebody's home is sent back to its old place in
the queue, the least work lost first; one whose own home is elsewhere begins anew there. So homes are free of all but
guests, by construction; whoever runs at home began when it would have begun, and ends when it would have ended; and the
shadow is first come, first served to the last moment. Whatever may overtake otherwise takes that from somebody: the
room that a guest takes may be what the head of the queue waits for, and how long it stays nobody knows.
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass

from tools.placement.packing.demands import Request
from tools.placement.packing.engine import Packer, Rule, Seat
from tools.placement.packing.expecting import Foresight
from tools.placement.packing.fleets import Fleet


@dataclass(slots=True, eq=False)
class Ticket:
    """One request in the queue, and what has become of it here and in the shadow."""

    order: int
    request: Request
    seat: Seat | None = None
    began: float | None = None
    ended: float | None = None
    fair: Seat | None = None
    """Its seat in the shadow."""
    fair_began: float | None = None

    @property
    def sits(self) -> Seat:
        """Its seat, of one that has begun."""
        assert self.seat is not None, "it has begun"
        return self.seat

    @property
    def at_home(self) -> bool:
        """Whether it sits where it sits in the shadow. Each fleet numbers its classes by itself."""
        here, there = self.seat, self.fair
        return here is not None and there is not None and (here.node, here.devices) == (there.node, there.devices)

    @property
    def since(self) -> float:
        """When it began, of one that has."""
        assert self.began is not None, "it has begun"
        return self.began


@dataclass(frozen=True, slots=True)
class Step:
    """A ticket begins on a seat, or loses the one it has and waits again."""

    ticket: Ticket
    seat: Seat | None


class Shadow:
    """First come, first served, on a fleet of its own."""

    def __init__(self, fleet: Fleet) -> None:
        self._packer = Packer(fleet, Rule.FIRST)
        self._queue: deque[Ticket] = deque()
        self._leaving: list[tuple[float, int, Ticket]] = []
        self._started: list[Ticket] = []

    def started(self) -> list[Ticket]:
        """Those who have started since somebody last asked."""
        found, self._started = self._started, []
        return found

    def arrive(self, ticket: Ticket, now: float) -> None:
        """Start it, or let it wait behind all others."""
        self._queue.append(ticket)
        if len(self._queue) == 1:
            self._serve(now)

    def ended(self, ticket: Ticket, now: float) -> None:
        """It has ended here, so how long it lasts is known."""
        if ticket.fair is not None:
            self._leave(ticket, now)

    @property
    def due(self) -> float | None:
        """When somebody leaves who has ended here already."""
        return self._leaving[0][0] if self._leaving else None

    def until(self, then: float) -> None:
        """Let time pass."""
        while self._leaving and self._leaving[0][0] <= then:
            now = self._leaving[0][0]
            while self._leaving and self._leaving[0][0] <= now:
                seat = heapq.heappop(self._leaving)[2].fair
                assert seat is not None, "it leaves a seat"
                self._packer.release(seat)
            self._serve(now)

    def _serve(self, now: float) -> None:
        while self._queue and (seat := self._packer.place(self._queue[0].request)) is not None:
            ticket = self._queue.popleft()
            ticket.fair, ticket.fair_began = seat, now
            self._started.append(ticket)
            if ticket.ended is not None:
                self._leave(ticket, now)

    def _leave(self, ticket: Ticket, now: float) -> None:
        assert ticket.fair_began is not None, "it sits in the shadow"
        assert ticket.ended is not None, "it has ended here"
        ends = ticket.fair_began + (ticket.ended - ticket.since)
        heapq.heappush(self._leaving, (max(ends, now), ticket.order, ticket))


class Queue:
    """Starts what arrives as soon as it may. The caller tells the time, and who has ended; it never goes back."""

    def __init__(self, fleet: Fleet) -> None:
        self._foresight = Foresight(Packer(fleet))
        self._shadow = Shadow(fleet)
        self._lines: dict[Request, list[Ticket]] = {}
        """Those who wait with the same request, in the order of their arrival."""
        self._guests: defaultdict[int, list[Ticket]] = defaultdict(list)
        """By node, those who went ahead, as they came."""
        self._steps: list[Step] = []
        self._count = 0

    def arrive(self, request: Request, now: float) -> tuple[Ticket, list[Step]]:
        """The ticket of a request, and what changes, in order."""
        ticket = Ticket(self._count, request)
        self._count += 1
        self._foresight.arrived(request)
        if self._foresight.due:
            self._foresight.look()
        self._shadow.until(now)
        self._shadow.arrive(ticket, now)
        line = self._lines.setdefault(request, [])
        line.append(ticket)
        freed = self._follow(now)
        if ticket.seat is None and line[0] is ticket:  # else the one before it has found no room
            self._go(ticket, now, self._foresight.seat(request))
        return ticket, self._served(now, freed)

    def leave(self, tickets: Iterable[Ticket], now: float) -> list[Step]:
        """What changes as these have ended, all who end now at once."""
        freed = set[int]()
        for ticket in tickets:
            freed.add(self._vacate(ticket))
            ticket.ended = now
            self._shadow.ended(ticket, now)
        self._shadow.until(now)
        return self._served(now, freed | self._follow(now))

    @property
    def due(self) -> float | None:
        """When the caller must tell the time again, though nothing may happen until then."""
        return self._shadow.due

    def pass_time(self, now: float) -> list[Step]:
        """What changes because it is that late."""
        self._shadow.until(now)
        return self._served(now, self._follow(now))

    def _follow(self, now: float) -> set[int]:
        """Start here whatever has started in the shadow; the nodes whose guests were sent back for it."""
        started = [t for t in self._shadow.started() if t.ended is None]
        for ticket in [t for t in started if t.at_home]:
            self._guests[ticket.sits.node].remove(ticket)
        freed = set[int]()
        for ticket in [t for t in started if not t.at_home]:
            if ticket.seat is not None:
                freed.add(self._send_back(ticket))
            self._settle(ticket, now, freed)
        return freed

    def _settle(self, ticket: Ticket, now: float, freed: set[int]) -> None:
        """At home, once as many guests have left as must."""
        home = ticket.fair
        assert home is not None, "it has started in the shadow"
        while (seat := self._foresight.take(ticket.request, home.node, home.devices)) is None:
            in_the_way = self._guests[home.node]
            freed.add(self._send_back(max(in_the_way, key=lambda g: (_share(g.sits, home), g.since))))
        self._go(ticket, now, seat)

    def _served(self, now: float, freed: set[int]) -> list[Step]:
        """Start those for whom there is room on the nodes that were freed, in the order of their arrival."""
        fitting = [r for r in self._lines if any(self._foresight.packer.fits(r, node) for node in freed)]
        for request in sorted(fitting, key=lambda r: self._lines[r][0].order):
            while (line := self._lines.get(request)) and (seat := self._foresight.seat(request)) is not None:
                self._go(line[0], now, seat)
        steps, self._steps = self._steps, []
        return steps

    def _go(self, ticket: Ticket, now: float, seat: Seat | None) -> None:
        """It takes the seat, if there is one."""
        if seat is None:
            return
        line = self._lines[ticket.request]
        line.remove(ticket)
        if not line:
            del self._lines[ticket.request]
        ticket.seat, ticket.began = seat, now
        if ticket.fair is None:
            self._guests[seat.node].append(ticket)
        self._steps.append(Step(ticket, seat))

    def _send_back(self, ticket: Ticket) -> int:
        """To its old place in the queue; the node that it leaves."""
        node = self._vacate(ticket)
        ticket.seat = ticket.began = None
        insort(self._lines.setdefault(ticket.request, []), ticket, key=lambda t: t.order)
        self._steps.append(Step(ticket, None))
        return node

    def _vacate(self, ticket: Ticket) -> int:
        seat = ticket.sits
        if ticket in self._guests[seat.node]:
            self._guests[seat.node].remove(ticket)
        self._foresight.release(seat)
        return seat.node


def _share(one: Seat, other: Seat) -> bool:
    """Whether both take of one device."""
    return not set(one.devices).isdisjoint(other.devices)
