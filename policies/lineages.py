"""What data is made of, who may use it, and which of its limits have ended, as pure functions over the law base.

A checkpoint, weights, a cache or a log is bound by everything that it was made from, back to the first, as far as no
person declassified it. `sovereignty` meets the limits of all of them; `context` asks whether a tenant may use each. The
kernel does not use this: it is the second opinion and has code of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from estate.ids import ClusterId, Country, DatasetId, TenantId
from estate.law import Dataset, Facts, Grant


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


def lapsed(facts: Facts, datasets: Iterable[DatasetId], reached: frozenset[Country], now: datetime) -> frozenset[str]:
    """The countries among `reached` to which these, and what they were made from, may go no more: each instrument
    that named them has ended. Told as `dataset to XX`.
    """
    found = (facts.dataset.get(name) for name in bound_by(facts, datasets))
    return frozenset(f"{d.id} to {country}" for d in found if d is not None for country in _ended(d, now) & reached)


def ends(facts: Facts, tenant: TenantId, datasets: Iterable[DatasetId]) -> tuple[datetime, ...]:
    """When grants and instruments end that this tenant's use of these may rest on."""
    bound = bound_by(facts, datasets)
    granted = (g.valid_until for d in bound for g in facts.grants_to.get((tenant, d), ()))
    known = (facts.dataset.get(name) for name in bound)
    return (*granted, *(t.valid_until for d in known if d is not None for t in d.transfers))


def _ended(dataset: Dataset, now: datetime) -> frozenset[Country]:
    named = {c for t in dataset.transfers for c in t.to}
    return frozenset(named.difference(c for t in dataset.transfers if t.valid_until > now for c in t.to))


def _granted(grants: Iterable[Grant], cluster: ClusterId, now: datetime) -> bool:
    return any(g.valid_until > now and (not g.clusters or cluster in g.clusters) for g in grants)
