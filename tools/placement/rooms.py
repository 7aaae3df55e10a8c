"""What is left while replicas are seated: devices, the nodes' load, the racks' draw.

Searches write it, constraints read it; it knows no constraint by what that asks.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from estate.workloads import WHOLE, Binding
from tools.placement.columns import NOBODY, Columns, Flags, Ints, counted, summed
from tools.placement.insides import UNTOLD, Seat
from tools.placement.wishes import Wish


class Room:
    """What is left while replicas are seated: devices, the nodes' load, the racks' draw. A scratch copy.

    Of what the contract does not mention nothing is copied: it cannot run out while its replicas are seated.
    """

    def __init__(self, wish: Wish, *, ignore_taken: bool = False, ignore_reserved: bool = False) -> None:
        self._columns, self._contract = wish.columns, wish.workload.contract
        c, contract = wish.columns, self._contract
        self.free = c.free.copy()
        self.load = c.load.copy()
        self.rack_drawn = c.rack_drawn.copy()
        self.cpu = c.cpu_free.copy() if contract.millicores else c.cpu_free
        self.memory = c.memory_free.copy() if contract.host_mebibytes else c.memory_free
        self.milli, self.sharer = (c.milli.copy(), c.sharer.copy()) if wish.shared else (c.milli, c.sharer)
        self._payer = wish.payer
        self.seats: list[Seat] = []
        """What was lifted and seated, for the parts of nodes."""
        self.taken: list[tuple[int, Ints]] = []
        """The nodes and slots of those that were seated, for quotas."""
        self.claims = None if ignore_reserved else wish.claims
        """What is reserved, as far as it counts here."""
        self._holds = list(wish.workload.bindings)
        """All that the workload holds, of what is reserved at least."""
        self.undrawn = None if self.claims is None else self.claims.undrawn
        """Watts of each rack that are kept for what is reserved there."""
        self._vacate(wish)
        self.seated = wish.stays()
        """The nodes of its other replicas, and of those that were seated."""
        self.open = self._shareable(wish) if wish.shared else self.free
        """The devices that could be taken as things are: wholly free ones, or those with a share to spare."""
        self.unreserved = self.open
        """What could be taken if nothing were reserved."""
        if ignore_taken:
            self.unreserved, self.milli = c.healthy.copy(), c.healthy * WHOLE
        self.devices = self.unreserved
        """What may be taken."""
        if wish.kept is not None and not ignore_reserved:
            self.devices = self.unreserved & ~wish.kept.devices

    def seats_on(self, wish: Wish) -> Ints:
        """How many replicas each node has devices for, at most."""
        if wish.shared:
            return self.units(wish)
        if not wish.needed:
            return np.full(len(self.devices), len(wish.ask.replicas), dtype=np.int64)
        found: Ints = self.units(wish) // wish.needed
        return found

    def units(self, wish: Wish) -> Ints:
        """How many devices, or shares of that size, each node has to give."""
        if not wish.shared:
            return counted(self.devices)
        return summed(self.milli * self.devices // wish.workload.contract.milli)

    def added(self, watts: int) -> Ints:
        """What a replica of `watts` would add to the draw of each node, below its cap."""
        c = self._columns
        more: Ints = np.minimum(c.idle + self.load + watts, c.cap) - np.minimum(c.idle + self.load, c.cap)
        return more

    def rack_after(self, added: Ints) -> Ints:
        """For each node, what its rack would draw with so much more there."""
        return self.spoken_for[self._columns.rack] + added if self.rack_drawn.size else added

    def used_of_reserved(self, row: int, slots: Ints) -> int:
        """The watts kept for reserved devices that a replica on these slots would draw itself."""
        rack = int(self._columns.rack[row])
        if self.claims is None or self.undrawn is None or rack < 0 or not self.claims.devices[row, slots].any():
            return 0
        return int(self.undrawn[rack]) - self.claims.once_in(rack, (*self._holds, self._binding(row, slots)))

    @property
    def spoken_for(self) -> Ints:
        """What each rack draws, and what is kept for reservations there."""
        return self.rack_drawn if self.undrawn is None else self.rack_drawn + self.undrawn

    def seat(self, row: int, slots: Ints, watts: int) -> None:
        """Take these devices of a node, or a share of them."""
        self.free[row, slots] = False
        if self._contract.share is None:
            for left in (self.devices, self.unreserved):
                left[row, slots] = False
        else:
            self._share(row, slots)
        self._request(row, slots, 1)
        self.taken.append((row, slots))
        self.seated.append(row)
        self._change_load(row, watts)
        if self.claims is not None and self.claims.devices[row, slots].any():
            self._holds.append(self._binding(row, slots))
            self.undrawn = self.claims.once(self._holds)

    def _binding(self, row: int, slots: Ints) -> Binding:
        c, number = self._columns, len(self.seated)
        indexes = tuple(c.index[row, slots].tolist())
        return Binding(replica=number, node=c.ids[row], accelerators=indexes)

    def _share(self, row: int, slots: Ints) -> None:
        left = self.milli[row, slots] = np.maximum(self.milli[row, slots] - self._contract.milli, 0)
        for shared in (self.devices, self.unreserved, self.open):
            shared[row, slots] &= left >= self._contract.milli
        self.sharer[row, slots] = np.where(left > 0, self._payer, NOBODY)

    def columns(self, present: Flags) -> Columns:
        """The columns once all are seated, with `present` for whose work runs where."""
        c = self._columns
        rows = {seat.row for seat in self.seats}
        return replace(
            c,
            free=self.free,
            load=self.load,
            rack_drawn=self.rack_drawn,
            present=present,
            cpu_free=self.cpu,
            memory_free=self.memory,
            milli=self.thousandths(),
            sharer=self.sharer,
            seats=(*c.seats, *self.seats),
            insides={kind: held.without(rows) for kind, held in list(c.insides.items())},
        )

    def thousandths(self, rows: Ints | slice = slice(None)) -> Ints:
        """What is free of each device, whatever its size."""
        if self._contract.share is not None:
            return self.milli[rows]
        before, free = self._columns.free[rows], self.free[rows]
        found: Ints = np.where(before & ~free, 0, np.where(free & ~before, WHOLE, self.milli[rows]))
        return found

    def _shareable(self, wish: Wish) -> Flags:
        found: Flags = (self.milli >= self._contract.milli) & ((self.sharer == NOBODY) | (self.sharer == wish.payer))
        return found

    def _vacate(self, wish: Wish) -> None:
        """Give back what the asked replicas hold now."""
        moved = set(wish.ask.replicas)
        for binding in wish.workload.bindings:
            row = wish.columns.rows.get(binding.node)
            if binding.replica not in moved or row is None:
                continue
            held = np.isin(wish.columns.index[row], binding.accelerators) & wish.columns.healthy[row]
            if self._contract.share is not None:
                self.milli[row, held] += self._contract.milli
                held &= self.milli[row] >= WHOLE
                self.sharer[row, held] = NOBODY
            self.free[row] |= held
            self._request(row, np.flatnonzero(np.isin(wish.columns.index[row], binding.accelerators)), -1)
            self._change_load(row, -wish.workload.watts_per_accelerator * len(binding.accelerators))
        lifted = [b for b in self._holds if b.replica in moved]
        self._holds = [b for b in self._holds if b.replica not in moved]
        if self.claims is not None and self.claims.touched(lifted):
            self.undrawn = self.claims.once(self._holds)

    def _request(self, row: int, slots: Ints, sign: int) -> None:
        """Processors and memory of a node, and of its parts."""
        contract = self._contract
        if contract.millicores and self.cpu[row] < UNTOLD:
            self.cpu[row] -= sign * contract.millicores
        if contract.host_mebibytes and self.memory[row] < UNTOLD:
            self.memory[row] -= sign * contract.host_mebibytes
        if contract.millicores or contract.host_mebibytes or contract.rails:
            self.seats.append(Seat(row, slots, contract, sign))

    def _change_load(self, row: int, watts: int) -> None:
        c = self._columns
        before = min(c.idle[row] + self.load[row], c.cap[row])
        self.load[row] += watts
        if c.rack[row] >= 0:
            self.rack_drawn[c.rack[row]] += min(c.idle[row] + self.load[row], c.cap[row]) - before
