"""Users: how far away they are, in milliseconds over the lines that are known. Unknown is far."""

from __future__ import annotations

import numpy as np

from estate.fabrics import latencies
from estate.references import Ref
from tools.placement.attempts import Attempt
from tools.placement.columns import Ints
from tools.placement.constraints.kinds import Constraint, Masks, Reach
from tools.placement.constraints.rules import Easing, Refused, Words, promise
from tools.placement.wishes import FAR, Wish

REACH = Reach.KIND


def standing(wish: Wish) -> Masks:
    """Where some of its users are too far away."""
    limit = wish.contract.latency
    if limit is None or not wish.contract.users:
        return {}
    return {Constraint.LATENCY: milliseconds(wish) > limit}


def milliseconds(wish: Wish) -> Ints:
    """From each node to the farthest of its users; `FAR` where nobody knows."""
    return wish.measured("milliseconds to users", _milliseconds)


def _milliseconds(wish: Wish) -> Ints:
    names, known = wish.columns.names.sites, latencies.lines(wish.snapshot)
    by_site = np.full(len(names) + 1, FAR, dtype=np.int64)
    for number in np.unique(wish.columns.site[wish.columns.site >= 0]).tolist():
        there = latencies.reached(known, Ref("site", names[number]))
        found = [latencies.to_users(wish.snapshot, there, u) for u in wish.contract.users]
        by_site[number] = max(FAR if ms is None else ms for ms in found)
    far: Ints = by_site[wish.columns.site]
    return far


def _words(by: Refused) -> Words:
    wish = by.wish
    nearest = int(milliseconds(wish)[by.refused].min())
    found = "nobody knows the way" if nearest >= FAR else f"at best {nearest} ms"
    who = ", ".join(wish.contract.users)
    return f"{wish.contract.latency} ms to users in {who}", found, "accept a longer way, or serve those users elsewhere"


def _eased(wish: Wish, attempt: Attempt) -> Easing:
    far = int(milliseconds(wish)[attempt.rows].max(initial=0))
    if far >= FAR:
        return Easing({"latency": None, "users": ()}, "do without a limit on the way to its users: nobody knows it")
    return Easing({"latency": far}, f"accept {far} instead of {wish.contract.latency} ms to its users")


RULES = (promise(Constraint.LATENCY, _words, _eased, "a place near your users", misses=milliseconds),)
