"""The reach of those who act and think here: who is registered, and whose data a model may see. Pure.

Minds ask before a prompt leaves (`agents.minds.model`), the read set of a decision asks who proposed, sensors ask of
what runs. The kernel does not use this. Facts that register nobody say nothing of who runs; a model is asked only where
they register it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from estate.ids import ComponentId, DatasetId, Digest, TenantId
from estate.items import Item
from estate.law import DataClass, Endpoint, Facts, Registration
from estate.uses.running import Component, ComponentSort, ModelServer
from policies import lineages, sovereignty
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
    if content is not None and content != found.content:
        return (f"model `{mind}` is `{content}`, the signed facts register `{found.content}`",)
    return (*_strangers(found, sight), *_classes(facts, found, sight), *_abroad(facts, found, sight))


def unregistered(facts: Facts, agent: str, mind: ComponentId | None) -> Iterable[str]:
    """Whoever of these proposed and is not registered. Facts that register no agent say nothing of agents."""
    agents = {r.id for r in facts.registrations if r.sort is ComponentSort.AGENT}
    if agents and agent not in agents:
        yield f"agent/{agent}"
    found = facts.registration.get(mind) if mind is not None else None
    if mind is not None and (found is None or found.sort is not ComponentSort.MODEL):
        yield f"model/{mind}"


def beyond(facts: Facts, mind: ComponentId | None, tenants: Iterable[TenantId]) -> frozenset[TenantId]:
    """Those of these tenants whose work this model may not see, and so not plan for."""
    found = facts.registration.get(mind) if mind is not None else None
    return frozenset() if mind is None else frozenset(tenants).difference(found.tenants if found is not None else ())


def unknown(facts: Facts, item: Item) -> str:
    """Why what runs is nobody that facts register; empty where it is, or where they register nobody."""
    if not facts.registrations:
        return ""
    if isinstance(item, Component):
        known = any(r.sort is item.sort and r.content == item.content for r in facts.registrations)
        digest = f"`{item.content}`" if item.content is not None else "of an unknown digest"
        return "" if known or not item.runs_in else f"{item.sort.value} `{item.name or item.id}` is {digest}"
    if isinstance(item, ModelServer):
        known = item.model is not None and any(r.weights == item.model for r in facts.registrations)
        return "" if known else f"it serves `{item.model or item.model_name or 'nobody knows what'}`"
    return ""


def _strangers(found: Registration, sight: Sight) -> Iterable[str]:
    for tenant in sorted(sight.tenants.difference(found.tenants)):
        yield f"model `{found.id}` may not see what is of `{tenant}`"


def _classes(facts: Facts, found: Registration, sight: Sight) -> Iterable[str]:
    """Data without a class counts as the most secret."""
    for name in sorted(lineages.bound_by(facts, sight.datasets)):
        dataset = facts.dataset.get(name)
        kind = (dataset.data_class if dataset is not None else None) or DataClass.RESTRICTED
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
