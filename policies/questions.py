"""What a decision is asked, and what it answers. Pure data between gate, executor and `policies.deciding`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from estate.approvals import Approval
from estate.canonical import Json
from estate.effects import Step
from estate.identities import Enrolment, Role, Subject, SubjectKind
from estate.ids import ComponentId, Digest, IncidentId, InstallationId, SiteId, TenantId
from estate.modes import Freeze, Mode
from estate.proposals import Lane, Proposal
from estate.snapshots import Snapshot
from estate.verdicts import Verdict
from estate.warrants import Warrant
from policies.asks import ReadSet
from policies.bundle import Bundle
from policies.domains import Counts, Domain
from policies.mandates import NOBODY as NO_MANDATE
from policies.mandates import Mandate
from policies.reliefs import Relief
from policies.windows import Shut


@dataclass(frozen=True, slots=True)
class Deputy:
    """The rights of the person whom an agent stands for, by the enrolments in force."""

    roles: frozenset[Role] = frozenset()
    tenants: frozenset[TenantId] = frozenset()
    human: str = ""
    """As `Enrolment.human`: no account of theirs approves what they asked for."""


@dataclass(frozen=True, slots=True)
class Matter:
    """What is to be decided, and who is behind it: read off a proposal, or off the warrant that it became."""

    installation: InstallationId
    incident: IncidentId
    proposal: Digest
    site: SiteId
    lane: Lane
    steps: tuple[Step, ...]
    proposer: Subject
    on_behalf_of: Subject | None = None
    for_tenants: tuple[TenantId, ...] = ()
    mandate: Mandate = NO_MANDATE
    """What the ledger says of the person behind it; the two fields before are only what the proposer claims."""
    mind: ComponentId | None = None
    """The model that planned it."""
    vouched: bool = False
    """Whether who proposed it was judged before, and a signature says so."""
    deputy: Deputy | None = None
    """What that person may do now; None where it was judged before and is vouched for."""

    @classmethod
    def of(cls, proposal: Proposal, digest: Digest | None = None, mandate: Mandate = NO_MANDATE) -> Matter:
        """The matter of a proposal; its digest is computed unless the caller has it."""
        return cls(
            installation=proposal.installation,
            incident=proposal.incident,
            proposal=digest or proposal.digest,
            site=proposal.site,
            lane=proposal.lane,
            steps=proposal.steps,
            proposer=proposal.proposer,
            on_behalf_of=proposal.on_behalf_of,
            for_tenants=proposal.for_tenants,
            mandate=mandate,
            mind=proposal.mind,
        )

    @classmethod
    def of_warrant(cls, warrant: Warrant) -> Matter:
        """The matter of a warrant alone. The gate judged the people behind it and its signature vouches for that."""
        return cls(
            installation=warrant.installation,
            incident=warrant.incident,
            proposal=warrant.proposal,
            site=warrant.site,
            lane=warrant.lane,
            steps=warrant.steps,
            proposer=Subject(kind=SubjectKind.AGENT, issuer=warrant.installation, name="warranted"),
            vouched=True,
        )


@dataclass(frozen=True, slots=True)
class Given:
    """A word that a person gave, whose signature was verified, with the enrolment of the key that signed it."""

    approval: Approval
    enrolment: Enrolment

    @property
    def digest(self) -> Digest:
        """The digest of the approval."""
        return self.approval.digest


@dataclass(frozen=True, slots=True)
class Ratified:
    """What people say of the rules that decide. Said by nobody: whoever asks vouches for them."""

    fault: str = ""
    """Why they are not in force, or nothing."""
    author: str = ""
    """Who wrote them, by name: nobody's approval counts under rules of their own."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is in force where the matter takes place."""

    mode: Mode
    freezes: tuple[Freeze, ...] = ()
    in_flight: tuple[Step, ...] = ()
    """Steps of warrants that are issued and not concluded: the joint state counts their effects first."""
    executor_known: bool = True
    """Whether one executor serves every cluster concerned."""
    recent: Mapping[Domain, int] = field(default_factory=dict)
    """How many changes of the profile's window disturbed each domain. The gate counts them, and nobody after it."""
    at_once: Mapping[Domain, int] = field(default_factory=dict)
    """How many changes that disturb each domain are under way."""
    windows_shut: tuple[Shut, ...] = ()
    closures: tuple[Shut, ...] = ()
    reliefs: tuple[Relief, ...] = ()
    """The exceptions and broken glass whose scope covers all that is concerned."""
    ratified: Ratified = Ratified()


NOBODY: Final[tuple[Given, ...]] = ()


@dataclass(frozen=True, slots=True)
class Vouched:
    """Approvals that the gate counted when it issued the warrant that is decided again: whose, and for what."""

    operators: int = 0
    owners: Mapping[TenantId, int] = field(default_factory=dict)
    """Of each tenant how many owners approved."""


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that a decision may depend on. Equal questions have equal answers."""

    matter: Matter
    snapshot: Snapshot
    bundle: Bundle
    standing: Standing
    now: datetime
    given: tuple[Given, ...] = NOBODY
    vouched: Vouched = Vouched()
    first: int = 1
    """The number of the first step to lay out: those before it are done (an execution that is resumed)."""
    approve_by: datetime | None = None
    """Until when people may approve it, or it goes ahead without them; None where the gate has said so before."""

    @property
    def too_late(self) -> bool:
        """Whether only what people approved in time may still go ahead."""
        return self.approve_by is not None and self.now >= self.approve_by

    def lifted(self, about: str) -> list[Json]:
        """The rules of tier 1 that give way for that thing."""
        reliefs = self.standing.reliefs
        if not reliefs:
            return []
        liftable = (r.id for r in self.bundle.rules.values() if r.liftable)
        return [*sorted(rule for rule in liftable if any(r.lifts(rule, about) for r in reliefs))]


@dataclass(frozen=True, slots=True)
class Ruling:
    """The verdict, with the steps as the decider laid them out (empty unless all could be)."""

    verdict: Verdict
    steps: tuple[Step, ...]
    read: ReadSet
    """What the law read; its digest stands in the verdict."""
    disturbed: Counts = field(default_factory=Counter)
    """How many of the steps disturb each failure domain."""
