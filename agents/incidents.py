"""The incidents' bucket: a record a case, a pointer a failure domain, a reserved fence a node.

Every write is a compare-and-swap. Correlator, containment and case worker share it.
Keys: `incident.<id>`, `domain.<kind>/<id>`, `fence.<id>.<node>`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from estate.errors import NeverRetry, RetryLater
from estate.ids import IncidentId, NodeId
from estate.incidents import Incident
from estate.proposals import Proposal
from estate.records import Record
from tools.bus.port import Bucket, Bus, Conflict

BUCKET = "incidents"
DOMAIN_KEPT = 8
"""Incidents that a domain remembers, newest last, so that a late event finds the one that covered its time."""
_TRIES = 50
_REMEMBERED = 64


class Domain(Record):
    """Which incidents a failure domain has had."""

    kind: Literal["placet.domain"] = "placet.domain"
    v: Literal[1] = 1
    domain: str
    incidents: tuple[IncidentId, ...] = ()


@dataclass(frozen=True, slots=True)
class Held[T]:
    """A stored value with the revision that a conditional write names (None: nothing is stored yet)."""

    value: T
    revision: int | None


_NOTHING: tuple[bytes, None] = (b"", None)


class Incidents:
    """Typed access to the bucket. Every write is conditional; `Conflict` says that somebody else was first."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._recent: dict[IncidentId, tuple[bytes, Held[Incident]]] = {}
        """Records as this process saw them last, newest last. Never an answer: what is read again is not parsed again,
        and a change first tries what is known.
        """

    @classmethod
    async def open(cls, bus: Bus) -> Incidents:
        """The bucket of this installation's bus."""
        return cls(await bus.bucket(BUCKET))

    async def find(self, incident: IncidentId) -> Held[Incident] | None:
        """The record with its revision, or None."""
        stored = await self._bucket.get(f"incident.{incident}")
        if stored is None:
            return None
        body, known = self._recent.get(incident, _NOTHING)
        record = known.value if known is not None and body == stored.value else Incident.read(stored.value)
        return self._remember(stored.value, Held(record, stored.revision))

    async def read(self, incident: IncidentId) -> Incident:
        """The record.

        Raises:
            NeverRetry: there is none.
        """
        held = await self.find(incident)
        if held is None:
            raise NeverRetry(f"incident `{incident}` is not in the bucket `{BUCKET}`; it was never opened here")
        return held.value

    async def every(self) -> tuple[Incident, ...]:
        """Every record, in no order. A scan: for people who list them, never per event."""
        return tuple([Incident.read(stored.value) for stored in await self._bucket.values("incident.*")])

    async def write(self, record: Incident, revision: int | None) -> None:
        """Store `record` where `revision` is still the newest. Raises Conflict."""
        body = record.canonical()
        self._remember(body, Held(record, await self._store(f"incident.{record.id}", body, revision)))

    async def change(self, incident: IncidentId, fold: Callable[[Incident], Incident]) -> Incident:
        """Fold until the write wins; a fold that changes nothing writes nothing.

        Raises:
            NeverRetry: there is no such record.
            RetryLater: others kept winning.
        """
        _, known = self._recent.get(incident, _NOTHING)  # perhaps an old one: a write that wins tells that it is not
        for _ in range(_TRIES):
            held = known or await self.find(incident)
            if held is None:
                return await self.read(incident)
            folded = fold(held.value)
            if folded != held.value:
                with suppress(Conflict):
                    await self.write(folded, held.revision)
                    return folded
            elif known is None:
                return folded
            known = None
        raise RetryLater(f"incident `{incident}` is being changed by others all the time; try again later")

    async def domain(self, domain: str) -> Held[Domain]:
        """The pointer of a failure domain; empty where it has had no incident."""
        stored = await self._bucket.get(f"domain.{domain}")
        if stored is None:
            return Held(Domain(domain=domain), None)
        return Held(Domain.read(stored.value), stored.revision)

    async def claim(self, pointer: Held[Domain], incident: IncidentId) -> None:
        """Make `incident` the newest of a domain. Raises Conflict when another correlator was first."""
        known = pointer.value.incidents
        if incident in known:
            return
        claimed = pointer.value.model_copy(update={"incidents": (*known, incident)[-DOMAIN_KEPT:]})
        await self._store(f"domain.{claimed.domain}", claimed.canonical(), pointer.revision)

    async def reserved_fence(self, incident: IncidentId, node: NodeId) -> Proposal | None:
        """The containment that this incident decided on for the node, whether or not it was published yet."""
        stored = await self._bucket.get(f"fence.{incident}.{node}")
        return Proposal.read(stored.value) if stored else None

    async def reserve_fence(self, proposal: Proposal, node: NodeId) -> Proposal:
        """Keep `proposal` as the one containment of the node, or give back the one that was kept before."""
        try:
            await self._bucket.create(f"fence.{proposal.incident}.{node}", proposal.canonical())
        except Conflict:
            kept = await self.reserved_fence(proposal.incident, node)
            return kept or proposal
        return proposal

    async def _store(self, key: str, value: bytes, revision: int | None) -> int:
        if revision is None:
            return await self._bucket.create(key, value)
        return await self._bucket.update(key, value, revision)

    def _remember(self, body: bytes, held: Held[Incident]) -> Held[Incident]:
        self._recent.pop(held.value.id, None)
        self._recent[held.value.id] = (body, held)
        if len(self._recent) > _REMEMBERED:
            del self._recent[next(iter(self._recent))]
        return held
