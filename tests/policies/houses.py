"""How the tests of guardrails set a house up: its profile, what feeds and cools it, what was decided of late."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from estate.changes import Change
from estate.frozen import FrozenEstate
from estate.items import Item
from estate.stock import Stock
from estate.verdicts import Verdict
from policies import domains
from policies.bundle import Bundle
from policies.domains import Counts
from policies.profiles import Breaker, Profile
from tests import builders
from tests.policies.asking import law, verdict


def house(**numbers: Any) -> Bundle:
    """The shipped rules with these numbers, the rest as the house has them."""
    return replace(law(), profile=Profile(**numbers))


def bounded(**breaker: Any) -> Bundle:
    """The shipped rules with one breaker."""
    return house(breakers=(Breaker(**breaker),))


def stocked(*items: Item, **over: Any) -> FrozenEstate:
    """The small estate with these items."""
    return builders.estate(**over).with_stock(Stock.of(items))


def did(*changes: Change, times: int = 1) -> Counts:
    """What these changes count for once they were decided."""
    once = domains.counted(domains.disturbed(c, builders.estate()) for c in changes)
    return Counter({domain: count * times for domain, count in once.items()})


def failing(*changes: Change, **over: Any) -> dict[str, str]:
    """What the verdict on these changes names: policy by policy what was found."""
    found: Verdict = verdict(*changes, **over)
    return {f.policy: f"{f.about}: {f.needed} / {f.found} / {f.remedy}" for f in found.failures}
