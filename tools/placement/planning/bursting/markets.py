"""What a market allows whoever needs accelerators, however they are packed: bounds that anybody can add up. Pure.

The cheapest accelerators first, parts of machines too: no plan under a ceiling has more of them, and none has as many
for less. Law and packing only make it worse.
"""

from __future__ import annotations

from collections.abc import Sequence

from tools.placement.planning.bursting.offers import Hire


def most(hires: Sequence[Hire], ceiling: int) -> int:
    """How many accelerators can be had under a ceiling, in millionths of a dollar for an hour."""
    found = 0
    for hire in sorted(hires, key=lambda h: h.hourly):
        have = hire.machines * hire.offer.accelerators_each
        taken = have if not hire.hourly else min(have, ceiling // hire.hourly)
        found, ceiling = found + taken, ceiling - taken * hire.hourly
    return found


def least(hires: Sequence[Hire], accelerators: int) -> int:
    """What so many cost at least, in an hour."""
    cost = 0
    for hire in sorted(hires, key=lambda h: h.hourly):
        taken = min(accelerators, hire.machines * hire.offer.accelerators_each)
        cost, accelerators = cost + taken * hire.hourly, accelerators - taken
    return cost
