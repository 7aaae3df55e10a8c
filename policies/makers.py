"""Who made a proposal, held to the signed registrations: each agent, model and tool of its own digest. Pure.

Called by `context` for the read set of a decision, and by sensors of what runs. It judges what a proposal says of its
makers; that they are what they say, nobody here can know (`docs/governance.md`). The kernel does not use this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from estate.ids import DatasetId, TenantId
from estate.law import DataClass, Facts, Registration
from estate.uses.running import Component, ComponentSort, Maker
from policies import lineages

REGISTER: Final = "placet facts register"
"""The command that registers what is installed."""
FOR: Final = " for "
"""Between the digest that is found and the one that is registered."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What somebody who makes a plan is shown thereby: whose work, and which data."""

    tenants: frozenset[TenantId]
    datasets: frozenset[DatasetId]


def unregistered(facts: Facts, makers: Iterable[Maker]) -> Iterator[str]:
    """Those whom no fact registers."""
    for maker in makers:
        if _registration(facts, maker) is None:
            yield f"{maker} ({maker.content or 'of no digest'})"


def altered(facts: Facts, makers: Iterable[Maker]) -> Iterator[str]:
    """Those of another digest than the registered one. A model may say nothing, an agent and a tool may not."""
    for maker in makers:
        found = _registration(facts, maker)
        silent = maker.content is None and maker.sort is ComponentSort.MODEL
        if found is not None and not silent and maker.content != found.content:
            yield f"{maker} {maker.content or 'of no digest'}{FOR}{found.content}"


def lapsed(facts: Facts, makers: Iterable[Maker], now: datetime) -> Iterator[str]:
    """Those whose registration has ended."""
    for maker in makers:
        found = _registration(facts, maker)
        if found is not None and _has_ended(found, now):
            yield f"{maker}"


def outside(facts: Facts, makers: Iterable[Maker], shown: Shown) -> Iterator[str]:
    """Whose work each may not see, and which classes of data. Tenants of a model are the rule `model-reach`'s."""
    classes = {data_class(facts, name) for name in lineages.bound_by(facts, shown.datasets)}
    for maker in makers:
        found = _registration(facts, maker)
        if found is None:
            continue
        if maker.sort is not ComponentSort.MODEL:
            yield from (f"{maker}{FOR}{tenant}" for tenant in shown.tenants.difference(found.tenants))
        yield from (f"{maker}{FOR}{kind.value} data" for kind in classes.difference(found.data_classes))


def data_class(facts: Facts, name: DatasetId) -> DataClass:
    """Data without a class counts as the most secret."""
    dataset = facts.dataset.get(name)
    return (dataset.data_class if dataset is not None else None) or DataClass.RESTRICTED


def fault_of(facts: Facts, item: Component, now: datetime) -> str:
    """Why what runs is not registered; empty where it is, or where facts register nobody.

    What a worker of ours says that it runs is asked always, and by its name.
    """
    own = [r for r in facts.registrations if r.sort is item.sort]
    if item.image is not None:
        return _image_fault([r for r in own if r.id == item.name], item)
    if not item.told_by and not (facts.registrations and item.runs_in):
        return ""
    digest = f"`{item.content}`" if item.content is not None else "of an unknown digest"
    told = f"{item.sort.value} `{item.name or item.id}` is {digest}"
    known = [r for r in own if r.content == item.content and (not item.told_by or r.id == item.name)]
    if not known:
        named = next((f", registered is `{r.content}`" for r in own if r.id == item.name), "")
        return told + named
    return f"{told}, whose registration has ended" if all(_has_ended(r, now) for r in known) else ""


def _image_fault(known: list[Registration], item: Component) -> str:
    """A pod's image against those that its component may run. Facts that name no image say nothing of it."""
    told = f"{item.sort.value} `{item.name}` runs image `{item.image or 'of no digest'}`"
    if not known:
        return f"{told}, and facts register no such agent"
    images = {i for r in known for i in r.images}
    return f"{told}, registered is `{'`, `'.join(sorted(images))}`" if images and item.image not in images else ""


def ends(facts: Facts, item: Component, now: datetime) -> datetime | None:
    """When its registration ends; None where none does."""
    times = (r.valid_until for r in facts.registrations if r.sort is item.sort and r.content == item.content)
    return min((t for t in times if t is not None and t > now), default=None)


def _registration(facts: Facts, maker: Maker) -> Registration | None:
    found = facts.registration.get(maker.id)
    return found if found is not None and found.sort is maker.sort else None


def _has_ended(found: Registration, now: datetime) -> bool:
    return found.valid_until is not None and found.valid_until <= now
