"""The two formats in which a person's will arrives: requests in words, and proposals written by hand.

Only the console publishes them, after it verified a signed command. The body is the canonical JSON of
`estate.events.Request` or `DirectProposal` with the command's `id` beside its fields.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from estate import canonical
from estate.changes import Change, ReleaseCapacity, ReserveCapacity, ScaleMachineGroup
from estate.errors import BadInput
from estate.events import DirectProposal, Request
from estate.ids import NodeId, SiteId, TenantId, WorkloadId
from estate.manifests import Address
from estate.records import explain
from estate.snapshots import Snapshot
from estate.things import ThingKind


@dataclass(frozen=True, slots=True)
class Command:
    """A verified command: its id, and exactly one of the two."""

    id: str
    request: Request | None = None
    proposal: DirectProposal | None = None

    @property
    def source(self) -> str:
        """Who said it, as an event's source."""
        spoken = self.request or self.proposal
        return f"front-door/{spoken.requester}" if spoken else "front-door"


def parse(body: bytes, format: str) -> Command:
    """The command in a body.

    Raises:
        BadInput: it is not the canonical JSON of one; the message names the field.
    """
    form = canonical.loads(body)
    if not isinstance(form, dict) or not isinstance(form.get("id"), str) or not form["id"]:
        raise BadInput(f"a {format} needs an `id` of its own; send the command through the front door")
    spoken = {k: v for k, v in form.items() if k != "id"}
    try:
        if format == "request":
            return Command(str(form["id"]), request=Request.model_validate(spoken))
        return Command(str(form["id"]), proposal=DirectProposal.model_validate(spoken))
    except ValidationError as error:
        raise BadInput(f"{format}: {explain(error)}") from error


def home(command: Command, snapshot: Snapshot) -> SiteId:
    """The site under which a command's case is kept: where its first change is, else where its first tenant is at home.

    A case needs one site for its subjects; which sites the changes touch is the gate's business.
    """
    changes = command.proposal.changes if command.proposal else ()
    if changes and (site := _standing(changes[0], snapshot)) is not None:
        return site
    spoken = command.request or command.proposal
    return _of_tenants(spoken.tenants if spoken else (), snapshot)


def _standing(change: Change, snapshot: Snapshot) -> SiteId | None:
    if isinstance(change, ReserveCapacity | ReleaseCapacity):
        return next((snapshot.site_of(s.node) for s in change.seats(snapshot)), None)
    if isinstance(change, ScaleMachineGroup):
        pool = snapshot.facts.pool.get(change.group)
        return snapshot.facts.cluster[pool.cluster].site if pool is not None else None
    thing = change.target()
    if thing.kind is ThingKind.NODE:
        return snapshot.site_of(NodeId(thing.id))
    found = Address.parse(thing.id) if thing.kind is ThingKind.OBJECT else snapshot.workload(WorkloadId(thing.id))
    cluster = snapshot.facts.cluster.get(found.cluster) if found else None
    return cluster.site if cluster else None


def _of_tenants(tenants: tuple[TenantId, ...], snapshot: Snapshot) -> SiteId:
    facts = snapshot.facts
    for name in tenants:
        tenant = facts.tenant.get(name)
        for namespace in tenant.namespaces if tenant else ():
            if namespace.cluster in facts.cluster:
                return facts.cluster[namespace.cluster].site
    if not facts.sites:
        raise BadInput("the facts name no site; sign facts with at least one")
    return facts.sites[0].id
