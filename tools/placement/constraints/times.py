"""Times: whether what has not begun could be done by its deadline there, its data brought and its run over.

Only where its run time is stated: a deadline without one is a matter of whoever watches it. What runs already is never
kept from a new home because it is late.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from tools.placement import deliveries
from tools.placement.attempts import Attempt
from tools.placement.columns import Flags, Ints
from tools.placement.constraints.devices import suitable
from tools.placement.constraints.kinds import Constraint, Masks, Reach
from tools.placement.constraints.rules import Easing, Refused, Words, promise
from tools.placement.wishes import FAR, Wish

REACH = Reach.KIND


def standing(wish: Wish) -> Masks:
    """Where it would be done too late."""
    contract, at = wish.contract, wish.ask.at
    if contract.deadline is None or at is None or wish.workload.bindings or not stated(wish):
        return {}
    left = contract.deadline - max(at, contract.start or at)
    return {Constraint.DEADLINE: lasts(wish) > int(left.total_seconds())}


def lasts(wish: Wish) -> Ints:
    """Seconds from its beginning until it is done on each node; `FAR` where nobody can say."""
    return wish.measured("seconds until done", _lasts)


def span(wish: Wish, rows: Sequence[int]) -> tuple[datetime | None, datetime | None]:
    """Before when it does not begin, and when it would be done on these nodes; None where nobody says."""
    contract, at = wish.contract, wish.ask.at
    waits = contract.start is not None and (at is None or contract.start > at)
    begins, lasting = contract.start if waits else at, lasts(wish)[list(rows)]
    known = begins is not None and not wish.workload.bindings and stated(wish) and (lasting < FAR).all()
    done = begins + timedelta(seconds=int(lasting.max(initial=0))) if known and begins is not None else None
    return contract.start if waits else None, done


def stated(wish: Wish) -> bool:
    """Whether anybody says how long it runs."""
    return any(p.run_time is not None for p in wish.contract.paces)


def _lasts(wish: Wish) -> Ints:
    runs, data = run_times(wish), deliveries.seconds(wish)
    found: Ints = np.where((runs >= FAR) | (data >= FAR), FAR, runs + data)
    return found


def run_times(wish: Wish) -> Ints:
    """Seconds that its run takes on the slowest devices of each node that would do; `FAR` where nobody says."""
    c = wish.columns
    stated = [wish.contract.pace_on(m) for m in c.models]
    known = [FAR if p is None or p.run_time is None else int(p.run_time) for p in stated]
    anywhere = wish.contract.pace_on("")
    if not wish.needed:
        bare = FAR if anywhere is None or anywhere.run_time is None else int(anywhere.run_time)
        return np.full(len(c.ids), bare, dtype=np.int64)
    fit = usable(wish)
    slowest = np.where(fit, np.array([*known, 0], dtype=np.int64)[c.model], 0).max(axis=1, initial=0)
    found: Ints = np.where(fit.any(axis=1), slowest, FAR)
    return found


def usable(wish: Wish) -> Flags:
    """The devices of a model that will do."""
    found: Flags = wish.columns.exists & suitable(wish, None)[0]
    return found


def _words(by: Refused) -> Words:
    wish = by.wish
    soonest = int(lasts(wish)[by.refused].min())
    found = "nobody can say how long" if soonest >= FAR else f"it would take {soonest} s at best"
    deadline = wish.contract.deadline
    return f"done by {deadline:%FT%TZ}", found, "begin earlier, ask for faster devices, or give it more time"


def _eased(wish: Wish, attempt: Attempt) -> Easing:
    last, at = int(lasts(wish)[attempt.rows].max(initial=0)), wish.ask.at
    assert at is not None, "only who tells the time has a deadline to miss"
    if last >= FAR:
        return Easing({"deadline": None}, "do without a deadline: nobody can say how long it takes")
    done = max(at, wish.contract.start or at) + timedelta(seconds=last)
    done += timedelta(microseconds=-done.microsecond % 1_000_000)
    return Easing({"deadline": done}, f"accept that it is done by {done:%FT%TZ}")


RULES = (promise(Constraint.DEADLINE, _words, _eased, "a place where it would be done by your deadline", misses=lasts),)
