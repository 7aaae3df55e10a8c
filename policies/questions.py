"""What a decision is asked, and what it answers. Pure data between gate, executor and `policies.deciding`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from estate.approvals import Approval
from estate.effects import Step
from estate.identities import Enrolment, Subject, SubjectKind
from estate.ids import ComponentId, Digest, IncidentId, InstallationId, SiteId, TenantId
from estate.modes import Freeze, Mode
from estate.proposals import Lane, Proposal
from estate.snapshots import Snapshot
from estate.verdicts import Verdict
from estate.warrants import Warrant
from policies.bundle import Bundle
from policies.mandates import NOBODY as NO_MANDATE
from policies.mandates import Mandate

if TYPE_CHECKING:
    from policies.context import ReadSet


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
class Standing:
    """What is in force where the matter takes place."""

    mode: Mode
    freezes: tuple[Freeze, ...] = ()
    in_flight: tuple[Step, ...] = ()
    """Steps of warrants that are issued and not concluded: the joint state counts their effects first."""
    executor_known: bool = True
    """Whether one executor serves every cluster concerned."""


NOBODY: Final[tuple[Given, ...]] = ()


@dataclass(frozen=True, slots=True)
class Vouched:
    """Approvals that the gate counted when it issued the warrant that is decided again: whose, and for what."""

    operators: int = 0
    owners: frozenset[TenantId] = frozenset()
    """The tenants of which an owner approved."""


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


@dataclass(frozen=True, slots=True)
class Ruling:
    """The verdict, with the steps as the decider laid them out (empty unless all could be)."""

    verdict: Verdict
    steps: tuple[Step, ...]
    read: ReadSet
    """What the law read; its digest stands in the verdict."""
