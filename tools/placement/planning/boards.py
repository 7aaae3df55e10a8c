"""What is left of each place and rack while guests are seated and lifted. The one mutable state of a search."""

from __future__ import annotations

import numpy as np

from tools.placement.columns import Flags, Ints
from tools.placement.planning.problems import AWAY, BESIDE, NOWHERE, Problem


class Board:
    """Seats as they are now, with the room, power and neighbours that follow from them."""

    def __init__(self, problem: Problem) -> None:
        parties = len(problem.apart)
        self.problem = problem
        self.seat = np.full(problem.guests, NOWHERE, dtype=np.int64)
        self.room = problem.room.copy()
        self.headroom = problem.headroom.copy()
        self._beside, self._away = problem.apart >= BESIDE, problem.apart >= AWAY
        self._at_host = np.zeros((parties, int(problem.host.max(initial=-1)) + 1), dtype=np.int64)
        self._at_rack = np.zeros((parties, len(problem.headroom)), dtype=np.int64)
        self._shut_hosts, self._shut_racks = np.zeros_like(self._at_host), np.zeros_like(self._at_rack)
        self._guests_in = np.zeros(problem.places, dtype=np.int64)
        self.spent = 0
        self._distant = bool(problem.apart.any())
        self._flocking = len(np.unique(problem.flock)) < problem.guests

    @classmethod
    def of(cls, problem: Problem, seat: Ints) -> Board:
        """The board with these seats taken."""
        board = cls(problem)
        guests = np.flatnonzero(seat >= 0)
        places = seat[guests]
        board.seat[guests] = places
        np.subtract.at(board.room, places, problem.units[guests])
        np.subtract.at(board.headroom, problem.rack[places], problem.watts[guests])
        if board._distant:
            party = problem.party[guests]
            board._shut_hosts = _shut_by(board._at_host, board._beside, (party, problem.host[places]))
            board._shut_racks = _shut_by(board._at_rack, board._away, (party, problem.rack[places]))
        return board

    def fits(self, guest: int) -> Flags:
        """The places where a guest could sit now."""
        p = self.problem
        found: Flags = p.open[guest] & (self.room >= p.units[guest]) & (self.headroom[p.rack] >= p.watts[guest])
        if self._distant:
            party = p.party[guest]
            found &= (self._shut_racks[party, p.rack] == 0) & (self._shut_hosts[party, p.host] == 0)
        if p.rent is not None:
            found &= self.rent() + self.spent <= p.purse
        if self._flocking:
            mates = self.seat[(p.flock == p.flock[guest]) & (self.seat >= 0)]
            found &= p.side == p.side[mates[0]] if mates.size else True
        return found

    def rent(self) -> Ints:
        """What each place would cost whoever comes next: nothing where somebody sits."""
        rent = np.zeros(self.problem.places, dtype=np.int64) if self.problem.rent is None else self.problem.rent
        return np.where(self._guests_in > 0, 0, rent)

    def put(self, guest: int, place: int) -> None:
        """Seat a guest."""
        self.seat[guest] = place
        self._change(guest, place, 1)

    def lift(self, guest: int) -> None:
        """Take a guest from its seat."""
        place = int(self.seat[guest])
        self.seat[guest] = NOWHERE
        self._change(guest, place, -1)

    def _change(self, guest: int, place: int, sign: int) -> None:
        p = self.problem
        rack, host, party = p.rack[place], p.host[place], p.party[guest]
        self.room[place] -= sign * p.units[guest]
        if p.rent is not None:
            sat = self._guests_in[place]
            self._guests_in[place] = sat + sign
            self.spent += sign * int(p.rent[place]) * int((sat == 0) != (sat + sign == 0))
        self.headroom[rack] -= sign * p.watts[guest]
        if self._distant:
            self._shut(self._at_host, self._shut_hosts, self._beside, (party, host), sign)
            self._shut(self._at_rack, self._shut_racks, self._away, (party, rack), sign)

    @staticmethod
    def _shut(there: Ints, shut: Ints, kept: Flags, at: tuple[int, int], sign: int) -> None:
        """Count a guest in or out; where its party comes or goes with it, others are shut out or let in."""
        before = there[at]
        there[at] = before + sign
        if (before == 0) != (there[at] == 0):
            shut[kept[at[0]], at[1]] += sign


def _shut_by(there: Ints, kept: Flags, at: tuple[Ints, Ints]) -> Ints:
    """Count guests in, all at once; by party and place, how many parties there shut it out."""
    np.add.at(there, at, 1)
    found: Ints = np.rint(kept.T.astype(np.float64) @ (there > 0)).astype(np.int64)
    return found
