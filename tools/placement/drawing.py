"""What a replica adds to the draw of a rack, node by node. Called by the constraints in watts.

What is reserved counts as drawn already, whoever holds it, as the gate counts it; so a replica that sits on reserved
devices adds only what it draws beyond what is reserved for them.
"""

from __future__ import annotations

import numpy as np

from tools.placement import choosing
from tools.placement.columns import Ints
from tools.placement.constraints.devices import suitable
from tools.placement.constraints.kinds import Constraint
from tools.placement.constraints.localities import groups
from tools.placement.rooms import Room
from tools.placement.wishes import Wish


def added(wish: Wish, room: Room, without: Constraint | None) -> Ints:
    """For each node, what one more replica there adds to the draw of its rack, reserved watts that it uses left out."""
    found = room.added(wish.watts)
    claims = room.claims
    if claims is None or not wish.needed:
        return found
    usable = room.devices & suitable(wish, without).all
    for row in np.flatnonzero((usable & claims.devices).any(axis=1) & (usable.sum(axis=1) >= wish.needed)).tolist():
        if groups(wish, room, row, np.flatnonzero(usable[row]), without):
            found[row] -= room.used_of_reserved(row, choosing.devices(wish, room, row, without))
    return found
