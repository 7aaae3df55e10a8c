"""What a placement owes beyond residency: keys good enough for the data, certificates, and what it may cost. Pure.

Called by `context` for each workload that a step places. Unknown keys are the weakest, data without a class is the
most secret; what something was made from counts as well, until a person declassified it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from estate.ids import ClusterId, DatasetId, SiteId
from estate.law import DataClass, Facts, KeyModel
from estate.snapshots import Snapshot
from estate.uses.offers import Price, Unit
from estate.workloads import Binding
from policies import lineages
from policies.profiles import Profile

KEY_RANKS: Final = {None: 0, KeyModel.PROVIDER: 1, KeyModel.BYOK: 2, KeyModel.HYOK: 3, KeyModel.TENANT_HSM: 4}
"""How little of the keys is in the provider's hands."""
_CLASSES: Final = tuple(DataClass)


def key_rank(facts: Facts, cluster: ClusterId) -> int:
    """How good the cluster's keys are; 0: nobody says."""
    known = facts.cluster.get(cluster)
    return KEY_RANKS[known.key_model if known is not None else None]


def key_needed(profile: Profile, facts: Facts, datasets: Iterable[DatasetId]) -> int:
    """How good the keys must be for the most secret of the data."""
    if not profile.key_models:
        return 0
    secret = max((_class(facts, d) for d in lineages.bound_by(facts, datasets)), default=-1)
    return max(
        (KEY_RANKS[model] for least, model in profile.key_models.items() if _CLASSES.index(least) <= secret), default=0
    )


def uncertified(profile: Profile, facts: Facts, cluster: ClusterId, now: datetime) -> set[str]:
    """The schemes that the house asks for and of which the cluster holds no certificate in force."""
    known = facts.cluster.get(cluster)
    held = {c.scheme for c in (known.certificates if known is not None else ()) if c.valid_until > now}
    return set(profile.certificates) - held


def hourly_cost(after: Snapshot, bindings: Iterable[Binding], now: datetime | None) -> int | None:
    """What the devices of these bindings cost together, in micro-dollars an hour; None where a price is not known."""
    known, total = Prices.of(after, now), 0
    for binding in bindings:
        node, site = after.node(binding.node), after.site_of(binding.node)
        models = {a.index: a.model for a in node.accelerators} if node is not None else {}
        for index in binding.accelerators:
            price = known.hour(site, models.get(index, ""))
            if price is None:
                return None
            total += price
    return total


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices of an accelerator's hour that hold at a time, the highest of each site and model."""

    known: Mapping[tuple[SiteId | None, str], int]

    @classmethod
    def of(cls, snapshot: Snapshot, now: datetime | None) -> Self:
        """Those of an estate; without `now` every one holds."""
        known: dict[tuple[SiteId | None, str], int] = {}
        for price in snapshot.stock.all("price"):
            if isinstance(price, Price) and _counts(price, now):
                key = price.site, price.model
                known[key] = max(known.get(key, 0), int(price.amount))
        return cls(known)

    def hour(self, site: SiteId | None, model: str) -> int | None:
        """What an hour of such a device costs there, in micro-dollars; None where nobody says.

        Of several prices the highest counts, a price for its model before one for any.
        """
        for name in (model, ""):
            here = [self.known[key] for key in ((site, name), (None, name)) if key in self.known]
            if here:
                return max(here)
        return None


def _counts(price: Price, now: datetime | None) -> bool:
    began = price.valid_from is None or now is None or price.valid_from <= now
    return price.unit is Unit.GPU_HOUR and began and (now is None or price.valid_until > now)


def _class(facts: Facts, name: DatasetId) -> int:
    known = facts.dataset.get(name)
    secret = known.data_class if known is not None else None
    return _CLASSES.index(secret) if secret is not None else len(_CLASSES) - 1
