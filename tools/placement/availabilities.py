"""How much of the time so many of a workload's replicas run, by where they stand: an exact sum over failure domains.

Called by `searching` and the words of availability. Domains fail on their own and take all that is in them along: site,
power feed, rack, node, one within the other. A feed whose 2N partner lives fails for nobody. How often each is there is
measured elsewhere and assumed here (`UPTIMES`); the answer says so. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from estate.references import Ref
from estate.workloads import Span
from tools.placement.assurance.domains import doubled
from tools.placement.wishes import Wish

type Chances = NDArray[np.float64]
type Caps = tuple[tuple[Span, int], ...]

UPTIMES: Final[Mapping[Span, int]] = {
    Span.NODE: 996_000,
    Span.RACK: 999_650,
    Span.FEED: 997_410,
    Span.SITE: 999_820,
}
"""The share of time in which a domain is up, in millionths, while those around it are.

Node: 419 unexpected stops of 2 048 servers in 54 days (The Llama 3 Herd of Models, 2024, section 3.3.4), each taken for
a day. Rack: 20 of some 40 racks fail in a year for up to 6 hours (Dean, Designs, Lessons and Advice from Building Large
Distributed Systems, 2009). Feed: infrastructure on a single path; site: one that is maintained while it runs (Uptime
Institute, tiers II and III: 99.741 % and 99.982 %).
"""
_LEVELS: Final = (Span.SITE, Span.FEED, Span.RACK, Span.NODE)
_MILLION: Final = 1_000_000


def permille(wish: Wish, rows: Iterable[int]) -> int:
    """Whole thousandths of the time in which as many as promised run, when its replicas stand on these nodes.

    Those that wait for a node anyway break no promise of those that run.
    """
    seated = list(rows)
    promised = max(1, wish.contract.min_available)
    needed = max(1, promised - max(0, wish.workload.replicas - len(seated)))
    chances = _chances(wish, seated, _LEVELS)
    return int(chances[needed:].sum() * 1000 + 1e-9)


def layouts(wish: Wish) -> Iterator[Caps]:
    """Ways of spreading its replicas, from none to the widest: first so that one loss breaks no promise, then alone."""
    yield ()
    spare = max(1, wish.workload.replicas - max(1, wish.contract.min_available))
    for most in dict.fromkeys((spare, 1)):
        for over in reversed(_LEVELS):
            yield ((over, most),)


def _chances(wish: Wish, rows: list[int], levels: tuple[Span, ...]) -> Chances:
    """The chance of each number of running replicas, of those that stand on these nodes."""
    level, *below = levels
    parts: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        parts[_NAMES[level](wish, row)].append(row)
    found = np.ones(1, dtype=np.float64)
    for name, inside in sorted(parts.items()):
        if below:
            there = _chances(wish, inside, tuple(below))
        else:
            there = np.zeros(len(inside) + 1, dtype=np.float64)
            there[-1] = 1.0
        up = _uptime(wish, level, name)
        there = there * up
        there[0] += 1.0 - up
        found = np.convolve(found, there)
    return found


def _uptime(wish: Wish, level: Span, name: str) -> float:
    """A domain without a name is one that nothing says there is."""
    spared = not name or (level is Span.FEED and doubled(wish.snapshot, Ref("feed", name)))
    return 1.0 if spared else UPTIMES[level] / _MILLION


def _site(wish: Wish, row: int) -> str:
    site = int(wish.columns.site[row])
    return wish.columns.names.sites[site] if site >= 0 else ""


def _rack(wish: Wish, row: int) -> str:
    rack = int(wish.columns.rack[row])
    return wish.columns.names.racks[rack] if rack >= 0 else ""


def _feed(wish: Wish, row: int) -> str:
    known = wish.facts.rack.get(wish.columns.names.racks[int(wish.columns.rack[row])]) if _rack(wish, row) else None
    return known.power_feed if known is not None else ""


_NAMES: Final[Mapping[Span, Callable[[Wish, int], str]]] = {
    Span.SITE: _site,
    Span.FEED: _feed,
    Span.RACK: _rack,
    Span.NODE: lambda wish, row: wish.columns.ids[row],
}
