"""What data is made of, and who may use it, as pure functions over the law base.

A checkpoint, weights, a cache or a log is bound by everything that it was made from, back to the first, as far as no
person declassified it. `sovereignty` meets the limits of all of them; `context` asks whether a tenant may use each. The
kernel does not use this: it is the second opinion and has code of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from estate.ids import ClusterId, DatasetId, TenantId
from estate.law import Facts, Grant


def bound_by(facts: Facts, datasets: Iterable[DatasetId]) -> frozenset[DatasetId]:
    """These and everything that they were made from; names that no fact knows stay among them, and deny."""
    found: set[DatasetId] = set()
    waiting = list(datasets)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        dataset = facts.dataset.get(name)
        if dataset is not None:
            lifted = dataset.declassified.of if dataset.declassified is not None else ()
            waiting += [d for d in dataset.derived_from if d not in lifted]
    return frozenset(found)


def ungranted(
    facts: Facts, tenant: TenantId, datasets: Iterable[DatasetId], cluster: ClusterId, now: datetime
) -> frozenset[DatasetId]:
    """What of these, and of what they were made from, the tenant may not use there now."""
    bound = (facts.dataset.get(name) for name in bound_by(facts, datasets))
    others = (d.id for d in bound if d is not None and d.tenant != tenant)
    return frozenset(d for d in others if not _granted(facts.grants_to.get((tenant, d), ()), cluster, now))


def _granted(grants: Iterable[Grant], cluster: ClusterId, now: datetime) -> bool:
    return any(g.valid_until > now and (not g.clusters or cluster in g.clusters) for g in grants)
