"""The reach of models: whose data each may see, and where that goes. Pure.

Minds ask before a prompt leaves (`agents.minds.model`), the read set of a decision asks whose work a model planned for,
sensors ask of what runs. The kernel does not use this. Who made a proposal is `policies.makers`' to judge; a model is
asked only where facts register it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from estate.ids import ComponentId, DatasetId, Digest, TenantId
from estate.items import Item
from estate.law import Endpoint, Facts, Registration
from estate.uses.running import Component, ComponentSort, ModelServer
from policies import lineages, makers, sovereignty
from policies.sovereignty import Bounds


@dataclass(frozen=True, slots=True)
class Sight:
    """What a model is about to be shown: of whom, and which data work of theirs uses."""

    tenants: frozenset[TenantId]
    datasets: frozenset[DatasetId] = frozenset()


def faults(facts: Facts, mind: ComponentId, content: Digest | None, sight: Sight, now: datetime) -> tuple[str, ...]:
    """Why that model may not be shown this; nothing where it may."""
    found = facts.registration.get(mind)
    if facts.valid_until <= now:
        return (f"the facts expired at {facts.valid_until.isoformat()}",)
    if found is None or found.sort is not ComponentSort.MODEL:
        return (f"model `{mind}` is not registered by the signed facts",)
    if found.valid_until is not None and found.valid_until <= now:
        return (f"the registration of model `{mind}` ended at {found.valid_until.isoformat()}",)
    if content is not None and content != found.content:
        return (f"model `{mind}` is `{content}`, the signed facts register `{found.content}`",)
    return (*_strangers(found, sight), *_classes(facts, found, sight), *_abroad(facts, found, sight))


def beyond(facts: Facts, minds: Iterable[ComponentId], tenants: Iterable[TenantId]) -> frozenset[TenantId]:
    """Those of these tenants whose work one of these models may not see, and so not plan for."""
    whom = frozenset(tenants)
    found = ((facts.registration.get(mind)) for mind in minds)
    return frozenset().union(*(whom.difference(r.tenants if r is not None else ()) for r in found))


def unknown(facts: Facts, item: Item, now: datetime) -> str:
    """Why what runs is nobody that facts register; empty where it is. Of model servers only where they register models,
    of what acts in a workload only where they register anybody.
    """
    if isinstance(item, Component):
        return makers.fault_of(facts, item, now)
    if isinstance(item, ModelServer) and any(r.sort is ComponentSort.MODEL for r in facts.registrations):
        known = item.model is not None and any(r.weights == item.model for r in facts.registrations)
        return "" if known else f"it serves `{item.model or item.model_name or 'nobody knows what'}`"
    return ""


def _strangers(found: Registration, sight: Sight) -> Iterable[str]:
    for tenant in sorted(sight.tenants.difference(found.tenants)):
        yield f"model `{found.id}` may not see what is of `{tenant}`"


def _classes(facts: Facts, found: Registration, sight: Sight) -> Iterable[str]:
    for name in sorted(lineages.bound_by(facts, sight.datasets)):
        kind = makers.data_class(facts, name)
        if kind not in found.data_classes:
            yield f"model `{found.id}` may not see `{name}`, which is {kind.value}"


def _abroad(facts: Facts, found: Registration, sight: Sight) -> Iterable[str]:
    """What is sent rests where it is kept, under the law of whoever runs that place, and in their hands."""
    if found.endpoint is None:
        return
    for tenant in sorted(sight.tenants):
        own = frozenset(d for d in sight.datasets if d in facts.dataset)
        limits = sovereignty.limits(facts, Bounds(tenant, tuple(sorted(own)))).residency
        for axis, reached in _reached(facts, found.endpoint).items():
            outside = reached.difference(getattr(limits, axis))
            if outside or not reached:
                there = ", ".join(sorted(outside)) or "nobody knows where"
                yield f"prompts of `{tenant}` to model `{found.id}` would reach {there} on the {axis} axis"


def _reached(facts: Facts, endpoint: Endpoint) -> dict[str, frozenset[str]]:
    kept = frozenset((endpoint.country, *endpoint.kept_in)) if endpoint.kept_in else frozenset[str]()
    people = (endpoint.operator, *endpoint.subprocessors)
    return {
        "geographic": kept,
        "legal": frozenset(sovereignty.compelling(facts, people)),
        "operational": frozenset({facts.entity[endpoint.operator].seat}),
    }
