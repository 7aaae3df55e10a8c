"""How the tests of the law ask it: changes, questions, people and their signed words."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any

from estate.approvals import Approval, Word
from estate.changes import (
    Change,
    CopyWorkload,
    CordonNode,
    DrainNode,
    EvictPod,
    MoveWorkload,
    RemoveWorkload,
    ReplicaMove,
    ScaleWorkload,
)
from estate.clocks import Clock
from estate.frozen import FrozenEstate
from estate.identities import Enrolment, Role, Subject, SubjectKind
from estate.ids import ClusterId, NodeId, SiteId, TenantId, WorkloadId
from estate.modes import Freeze, Mode, Scope
from estate.proposals import Proposal
from estate.ratifications import Ratification
from estate.verdicts import Dimension, Verdict
from policies import approving, deciding
from policies import enrolments as enrolling
from policies.bundle import Bundle
from policies.controls import FREEZE_TYPE, RATIFICATION_TYPE, Controls
from policies.enrolments import Enrolments
from policies.mandates import Mandate
from policies.questions import Given, Matter, Question, Standing
from policies.signing.memory import MemorySigner
from policies.signing.sealing import seal
from tests import builders

TENANT_B = TenantId("tenant-b")
US_1 = ClusterId("us-1")


@cache
def law() -> Bundle:
    """The shipped rules, loaded once."""
    return Bundle.load()


def move(workload: str, *moves: tuple[int, str | None, str | None, tuple[int, ...]]) -> Change:
    """Replicas of `workload` from node to node: (replica, source, target, accelerators)."""
    parts = tuple(
        ReplicaMove(
            replica=r, source=NodeId(s) if s else None, target=NodeId(t) if t else None, accelerators=accelerators
        )
        for r, s, t, accelerators in moves
    )
    return MoveWorkload(workload=WorkloadId(workload), moves=parts)


def copy(workload: str, to: str, *seats: tuple[str, tuple[int, ...]], namespace: str = "") -> Change:
    """`workload` once more in another cluster, its replicas in order on these nodes and accelerators."""
    bindings = tuple(builders.binding(r, node, *held) for r, (node, held) in enumerate(seats))
    return CopyWorkload(workload=WorkloadId(workload), to_cluster=ClusterId(to), namespace=namespace, bindings=bindings)


def remove(workload: str, replaced_by: str) -> Change:
    """`workload` ends, because its copy runs."""
    return RemoveWorkload(workload=WorkloadId(workload), replaced_by=WorkloadId(replaced_by))


def cordon(node: str) -> Change:
    """A fence around `node`."""
    return CordonNode(node=NodeId(node), reason="xid 79")


def drain(node: str) -> Change:
    """`node` shut and emptied."""
    return DrainNode(node=NodeId(node), reason="repair")


def evict(workload: str, replica: int, node: str) -> Change:
    """One replica off `node`."""
    return EvictPod(workload=WorkloadId(workload), replica=replica, node=NodeId(node))


def scale(workload: str, replicas: int) -> Change:
    """Another number of replicas, the added ones pending."""
    return ScaleWorkload(workload=WorkloadId(workload), replicas=replicas)


MOVE_A = move("a-serve", (0, "eu-a1", "eu-b2", (0, 1)))
"""A lawful move of one of tenant-a's replicas to another rack."""
MOVE_B = move("b-train", (0, "eu-a1", "eu-b2", (0, 1, 2, 3)))
"""The same for tenant-b, which wants to be asked."""
COPY_A_ABROAD = copy("a-serve", "us-1", ("us-a2", (0, 1)), ("us-a2", (2, 3)))
"""Tenant-a's inference to the United States."""
A_ABROAD = "us-1.tenant-a.a-serve"
"""What that copy is called."""


def mandate_of(proposal: Proposal) -> Mandate:
    """The mandate that an honest proposer's claims are copied from."""
    return Mandate(person=proposal.on_behalf_of, tenants=proposal.for_tenants)


def question(proposal: Proposal, on: FrozenEstate | None = None, **over: Any) -> Question:
    """A question about `proposal` on the small estate, in automatic mode, with nobody's word given."""
    standing = Standing(**({"mode": Mode.AUTOMATIC} | over.pop("standing", {})))
    fields: dict[str, Any] = {
        "matter": Matter.of(proposal, mandate=mandate_of(proposal)),
        "snapshot": on or builders.estate(),
        "bundle": law(),
        "standing": standing,
        "now": builders.START,
    }
    return Question(**(fields | over))


def verdict(
    *changes: Change, on: FrozenEstate | None = None, planned_on: FrozenEstate | None = None, **over: Any
) -> Verdict:
    """The verdict on a proposal of `changes`, planned on `planned_on` and decided on `on`."""
    proposed = builders.proposal(*changes, on=planned_on or on, **over.pop("proposal", {}))
    return deciding.decide(question(proposed, on, **over)).verdict


def dimensions(found: Verdict) -> set[Dimension]:
    """What failed."""
    return {f.dimension for f in found.failures}


def freeze(site: str | None = None, tenant: str | None = None) -> Freeze:
    """A freeze of a scope by an operator."""
    return Freeze(
        installation=builders.INSTALLATION,
        scope=Scope(site=SiteId(site) if site else None, tenant=TenantId(tenant) if tenant else None),
        frozen=True,
        reason="audit",
        by=builders.subject("ada"),
        at=builders.START,
    )


@dataclass
class Person:
    """Somebody with a key and an enrolment."""

    name: str
    roles: tuple[Role, ...] = (Role.OPERATOR,)
    tenants: tuple[TenantId, ...] = ()
    kind: SubjectKind = SubjectKind.HUMAN
    key: int = 1
    over: dict[str, Any] = field(default_factory=dict)

    @property
    def signer(self) -> MemorySigner:
        """Their key."""
        return MemorySigner.generate(builders.TestEntropy(f"{self.name}-{self.key}"))

    @property
    def subject(self) -> Subject:
        """Who they are, whichever key they use."""
        return builders.subject(self.name, self.kind)

    @property
    def enrolment(self) -> Enrolment:
        """Their enrolment, valid for a day."""
        fields: dict[str, Any] = {
            "installation": builders.INSTALLATION,
            "subject": self.subject,
            "key_id": self.signer.key_id,
            "public_key": base64.b64encode(self.signer.public_key).decode(),
            "roles": self.roles,
            "tenants": self.tenants,
            "enrolled_at": builders.START - timedelta(days=1),
            "valid_until": builders.START + timedelta(days=1),
        }
        return Enrolment(**(fields | self.over))

    def word(self, proposal: Proposal, on: FrozenEstate | None = None, **over: Any) -> Approval:
        """Their approval of the whole diff, unless told otherwise."""
        fields: dict[str, Any] = {
            "installation": builders.INSTALLATION,
            "incident": proposal.incident,
            "proposal": proposal.digest,
            "diff": approving.diff_for(proposal, over.pop("tenant", None), on or builders.estate()).digest,
            "word": Word.APPROVE,
            "approver": self.subject,
            "at": builders.START,
        }
        return Approval(**(fields | over))

    def given(self, proposal: Proposal, on: FrozenEstate | None = None, **over: Any) -> Given:
        """Their word as the gate hands it to the law."""
        return Given(self.word(proposal, on, **over), self.enrolment)

    def sealed(self, proposal: Proposal, on: FrozenEstate | None = None, **over: Any) -> bytes:
        """Their word in an envelope."""
        return seal(self.word(proposal, on, **over).canonical(), approving.PAYLOAD_TYPE, self.signer)


def owner(name: str = "bea", tenant: TenantId = TENANT_B, **over: Any) -> Person:
    """An owner of a tenant."""
    return Person(name, (Role.TENANT_OWNER,), (tenant,), **over)


ADA = Person("ada", (Role.ADMINISTRATOR, Role.OPERATOR))
"""The first administrator of the test installation."""


def enrolments(*people: Person, clock: Clock = builders.TestClock()) -> Enrolments:  # noqa: B008 - it stands still
    """The enrolments of these people, signed by the first administrator."""
    known = Enrolments(builders.INSTALLATION, ADA.signer.key_id, clock)
    for person in (ADA, *people):
        known.apply(seal(person.enrolment.canonical(), enrolling.PAYLOAD_TYPE, ADA.signer))
    return known


def ratified(*bundles: Bundle, **over: Any) -> bytes:
    """The first administrator's word that these rules are the law."""
    at = over.pop("at", builders.START)
    word = Ratification(
        installation=builders.INSTALLATION,
        bundles=tuple(b.digest for b in bundles),
        reason="for the tests",
        valid_until=at + timedelta(days=365),
        by=ADA.subject,
        at=at,
    ).model_copy(update=over)
    return seal(word.canonical(), RATIFICATION_TYPE, ADA.signer)


def orders(mode: Mode = Mode.AUTOMATIC, *freezes: Freeze) -> Controls:
    """Freezes and the default mode, signed by the first administrator."""
    made = Controls(builders.INSTALLATION, enrolments(), builders.TestClock(), default=mode)
    made.apply(ratified(law()))
    for stop in freezes:
        made.apply(seal(stop.canonical(), FREEZE_TYPE, ADA.signer))
    return made
