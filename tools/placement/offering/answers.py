"""What is told to whoever asks for something: what they would have where, what else they could have, and why no more.

Made by `offers`; printed, and cut down for tenants, by the door, the CLI and the catalogue.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from estate.changes import RepartitionAccelerator, ReserveCapacity
from estate.ids import NodeId, TenantId
from estate.records import Model, Time, later
from estate.references import Ref
from tools.placement.offering.explaining import Explanation
from tools.placement.port import Delivery, Yield


class Grade(StrEnum):
    """What is offered."""

    GUARANTEED = "guaranteed"
    BEST_EFFORT = "best-effort"
    COUNTER_OFFER = "counter-offer"
    REFUSED = "refused"


class Place(Model):
    """What somebody would have at one site."""

    site: str
    stage: str = later("")
    """Which of several stages."""
    replicas: int
    accelerators: int
    models: tuple[str, ...]
    nodes: tuple[NodeId, ...]
    """Empty for whoever may not know."""


class Counter(Model):
    """What could be had instead."""

    instead: str
    places: tuple[Place, ...]
    micro_usd_per_hour: int | None
    start: Time | None = None
    """From when; null: from the time that was asked for."""
    when: str = ""
    """What ends then, in the hardware's words."""
    change: RepartitionAccelerator | None = later()
    """What must be done first, to be proposed like any other; absent for whoever may not know."""


class Offer(Model):
    """The answer."""

    grade: Grade
    snapshot: str
    places: tuple[Place, ...] = ()
    micro_usd_per_hour: int | None = None
    """Of everything; null where nobody states a price."""
    deliveries: tuple[Delivery, ...] = later(())
    """Data that must be brought there first, with what that takes."""
    done: Time | None = later()
    """When it would be done, where its run time is stated."""
    yields: tuple[Yield, ...] = later(())
    """Whose work of a lower priority could yield to it; empty for whoever may not know."""
    because: tuple[str, ...] = ()
    """Why it is no more than that."""
    counters: tuple[Counter, ...] = ()
    refusal: Explanation | None = None
    reservation: ReserveCapacity | None = None
    """What reserves it, to be proposed; null where nobody asked for it, or there is nothing to reserve."""

    def for_tenant(self, sees: Collection[TenantId] = ()) -> Offer:
        """What the holder of the contract may read."""
        refusal = self.refusal.for_tenant(sees) if self.refusal is not None else None
        told = self.because if refusal is None else tuple(p.needed for p in refusal.plainly)
        plain = {
            "places": tuple(p.model_copy(update={"nodes": ()}) for p in self.places),
            "because": tuple(_unnamed(b) for b in told),
            "counters": tuple(_nameless(c) for c in self.counters),
            "refusal": refusal,
            "yields": (),
        }
        return self.model_copy(update=plain)


def _nameless(counter: Counter) -> Counter:
    """A counter-offer as the holder of the contract may read it."""
    places = tuple(p.model_copy(update={"nodes": ()}) for p in counter.places)
    ours = {"instead": "wait until the platform has cut accelerators for it", "change": None} if counter.change else {}
    return counter.model_copy(update={"when": "", "places": places, **ours})


def _unnamed(why: str) -> str:
    """Without the name of what is lost: a tenant sees no rack."""
    head, found, domain = why.partition(" when ")
    return f"{head} when a {Ref(*domain.split(' ')[0].split('/', 1)).kind} is lost" if found else why
