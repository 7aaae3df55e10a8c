"""Which words of people count, and what they must have been shown.

Gate and executor count with `count`; the front door shows people `diff_for`. An approval counts when the person is
enrolled and valid, signed over this very proposal and one of its diffs, and no tier-0 rule bars them. Quorums count
humans, never keys and never accounts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from estate.approvals import Diff, Word, diff_line
from estate.conditions import Condition, Field
from estate.effects import Step
from estate.identities import Role, Subject, SubjectKind
from estate.ids import Digest, TenantId, WorkloadId
from estate.proposals import Proposal
from estate.snapshots import Snapshot
from estate.things import ThingKind
from policies import objects
from policies.questions import Given, Matter

PAYLOAD_TYPE: Final = "application/vnd.placet.approval.v1+json"
"""The DSSE payload type of a signed `Approval`."""

MAX_SKEW: Final = timedelta(seconds=30)
"""How far the clock that enrolled somebody may be ahead of the one that counts."""

type Actor = tuple[str, str]
"""A subject, whichever key it uses: issuer and name."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The words that count: distinct humans by role, whatever accounts they have, and those who said no."""

    approvers: tuple[Given, ...] = ()
    operators: frozenset[str] = frozenset()
    owners: Mapping[TenantId, frozenset[str]] = field(default_factory=dict)
    deniers: tuple[Given, ...] = ()

    @property
    def digests(self) -> tuple[Digest, ...]:
        """The digests of the words that counted, sorted."""
        return tuple(sorted({g.digest for g in (*self.approvers, *self.deniers)}))


def diff_for(proposal: Proposal, tenant: TenantId | None, snapshot: Snapshot) -> Diff:
    """What an approver is shown: all of it, or (for a tenant) its own workloads and objects and the steps on nodes."""
    return diff_of(proposal.digest, proposal.steps, tenant, snapshot)


def diff_of(proposal: Digest, steps: Sequence[Step], tenant: TenantId | None, snapshot: Snapshot) -> Diff:
    """`diff_for` off the parts, for a caller that knows the digest already."""
    shown = [s for s in steps if tenant is None or _concerns(s, tenant, snapshot)]
    lines = tuple(diff_line(s if tenant is None else _own_part(s, tenant, snapshot)) for s in shown)
    return Diff(proposal=proposal, tenant=tenant, lines=lines, elsewhere=len(steps) - len(shown))


def _concerns(step: Step, tenant: TenantId, snapshot: Snapshot) -> bool:
    target = step.change.target()
    if target.kind in {ThingKind.OBJECT, ThingKind.RESERVATION, ThingKind.MACHINE_GROUP}:
        return objects.owner_of_change(snapshot.facts, step.change) == tenant
    if target.kind is not ThingKind.WORKLOAD:
        return True
    return any(_tenant_of(w, snapshot) == tenant for w in {target.id, *step.change.disrupts(snapshot)})


def _own_part(step: Step, tenant: TenantId, snapshot: Snapshot) -> Step:
    """The step without what it tells of other tenants' replicas on a node."""
    read, left = (
        tuple(_own_condition(c, tenant, snapshot) for c in told if not _of_another(c, tenant, snapshot))
        for told in (step.preconditions, step.postconditions)
    )
    return step.model_copy(update={"preconditions": read, "postconditions": left})


def _own_condition(condition: Condition, tenant: TenantId, snapshot: Snapshot) -> Condition:
    everybody = condition.about.kind is ThingKind.NODE and condition.field is Field.BINDINGS
    if not everybody or not isinstance(condition.equals, tuple):
        return condition
    own = tuple(text for text in condition.equals if _tenant_of(text.partition(" ")[0], snapshot) == tenant)
    return condition.model_copy(update={"equals": own})


def _of_another(condition: Condition, tenant: TenantId, snapshot: Snapshot) -> bool:
    """Whether it tells of another tenant's replicas: of a gang that stops elsewhere, as a rule."""
    workload = condition.about.id.partition("@")[0]
    return condition.about.kind is ThingKind.RESIDENT and _tenant_of(workload, snapshot) != tenant


def _tenant_of(workload: str, snapshot: Snapshot) -> TenantId | None:
    found = snapshot.workload(WorkloadId(workload))
    return found.tenant if found is not None else None


def actor(subject: Subject) -> Actor:
    """A subject, whichever key it uses."""
    return subject.issuer, subject.name


def barred(matter: Matter) -> tuple[Subject, ...]:
    """Those from whom no approval of this counts: who proposed it, and whom that represents."""
    represented = (matter.on_behalf_of,) if matter.on_behalf_of else ()
    return (matter.proposer, *represented)


def fault_of(given: Given, matter: Matter, now: datetime) -> str | None:
    """Why a word cannot count whatever it says, or None: about the enrolment and the proposal, not about the diff."""
    approval, enrolment = given.approval, given.enrolment
    if approval.proposal != matter.proposal:
        return f"it is about proposal `{approval.proposal}`"
    if approval.incident != matter.incident:
        return f"it was given in incident `{approval.incident}`"
    if approval.installation != matter.installation or enrolment.installation != matter.installation:
        return f"it was given for installation `{approval.installation}`"
    if actor(approval.approver) != actor(enrolment.subject) or approval.approver.kind != enrolment.subject.kind:
        return f"it names `{approval.approver}` and the key is enrolled for `{enrolment.subject}`"
    if enrolment.revoked:
        return f"the enrolment of `{enrolment.subject}` was revoked"
    if not enrolment.enrolled_at - MAX_SKEW <= now < enrolment.valid_until:
        return f"the enrolment of `{enrolment.subject}` is not valid now"
    return None


def count(
    matter: Matter, snapshot: Snapshot, given: Iterable[Given], now: datetime, admits: Callable[[Given], bool]
) -> Counted:
    """Sort the words into those that count. `admits` is the law's own answer for each approver."""
    valid = sorted((g for g in given if fault_of(g, matter, now) is None), key=lambda g: g.digest)
    deniers = tuple(g for g in valid if g.approval.word is Word.DENY and _may_deny(g, matter, snapshot))
    approvals = [g for g in valid if g.approval.word is Word.APPROVE]
    if not approvals:
        return Counted(deniers=deniers)
    tenants = tenants_of(matter, snapshot)
    whole = diff_of(matter.proposal, matter.steps, None, snapshot).digest
    shown = {t: diff_of(matter.proposal, matter.steps, t, snapshot).digest for t in tenants}
    parts = {g.digest: tuple(t for t in tenants if _owns(g, t, whole, shown[t])) for g in approvals}
    acting = [g for g in approvals if (parts[g.digest] or _operates(g, whole)) and admits(g)]
    return Counted(
        approvers=tuple(acting),
        operators=frozenset(g.enrolment.human for g in acting if _operates(g, whole)),
        owners={t: frozenset(g.enrolment.human for g in acting if t in parts[g.digest]) for t in tenants},
        deniers=deniers,
    )


def diffs(given: Given, matter: Matter, snapshot: Snapshot) -> tuple[Digest, ...]:
    """The diffs that this person may have been shown: all of it, or the part of a tenant they speak for."""
    concerned = tenants_of(matter, snapshot)
    shown: tuple[TenantId | None, ...] = (None, *(t for t in given.enrolment.tenants if t in concerned))
    return tuple(diff_of(matter.proposal, matter.steps, t, snapshot).digest for t in shown)


def tenants_of(matter: Matter, snapshot: Snapshot) -> tuple[TenantId, ...]:
    """The tenants whose workloads and objects the steps write, sorted."""
    found = (snapshot.workload(w) for s in matter.steps for w in s.change.disrupts(snapshot))
    owners = (objects.owner_of_change(snapshot.facts, s.change) for s in matter.steps)
    return tuple(sorted({w.tenant for w in found if w is not None} | {t for t in owners if t is not None}))


def _operates(given: Given, whole: Digest) -> bool:
    return Role.OPERATOR in given.enrolment.roles and given.approval.diff == whole


def _owns(given: Given, tenant: TenantId, whole: Digest, part: Digest) -> bool:
    speaks = Role.TENANT_OWNER in given.enrolment.roles and tenant in given.enrolment.tenants
    return speaks and given.approval.diff in (whole, part)


def _may_deny(given: Given, matter: Matter, snapshot: Snapshot) -> bool:
    enrolment = given.enrolment
    if enrolment.subject.kind is not SubjectKind.HUMAN:
        return False
    if {Role.OPERATOR, Role.ADMINISTRATOR} & set(enrolment.roles):
        return True
    if matter.on_behalf_of is not None and actor(matter.on_behalf_of) == actor(enrolment.subject):
        return True
    owns = Role.TENANT_OWNER in enrolment.roles
    return owns and bool(set(enrolment.tenants) & set(tenants_of(matter, snapshot)))
