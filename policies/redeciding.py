"""The executor's second decision: the same law on its own newest snapshot, and tier 0 for each undo. Pure.

The gate's signature vouches for what no snapshot can change: which approvals tier 0 let count. They count again for
the role that each was given in, while its key is enrolled. Everything that the estate, the facts or people may have
changed since is decided anew. Given the proposal as well, the people behind it are judged again too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from estate import canonical
from estate.changes import Change
from estate.effects import Step, lay_out
from estate.errors import BadInput
from estate.identities import Subject, SubjectKind
from estate.ids import IncidentId, SiteId
from estate.modes import Mode
from estate.proposals import Lane, Proposal
from estate.results import Refusal
from estate.snapshots import Snapshot
from estate.verdicts import Decision, Failure, Verdict
from estate.warrants import Warrant
from policies import approving
from policies.bundle import Bundle
from policies.deciding import ERRORED, KERNEL, decide
from policies.mandates import NOBODY, Mandate
from policies.questions import Given, Matter, Question, Standing, Vouched
from policies.standing import Controls, Scene, concern, in_force, standing


@dataclass(frozen=True, slots=True)
class Again:
    """What the executor knows beyond the warrant."""

    proposal: Proposal | None = None
    mandate: Mandate = NOBODY
    """What the ledger says of the person behind it; it counts only beside the proposal."""
    given: tuple[Given, ...] = ()
    """The approvals that the ledger holds of it, each with its key's enrolment as it stands now."""
    in_flight: tuple[Step, ...] = ()
    """Steps of other executions that are under way."""
    done: int = 0
    """How many steps of this execution are applied and observed: they are not decided again."""


def decide_again(
    warrant: Warrant, snapshot: Snapshot, bundle: Bundle, controls: Controls, now: datetime, again: Again | None = None
) -> Verdict:
    """The law's answer to what is left of `warrant`, on `snapshot`. Obey only a permit in a mode that acts.

    Raises:
        BadInput: the proposal given is not the warrant's.
    """
    known = again or Again()
    matter = _matter(warrant, known)
    scene = Scene(now, bundle, known.in_flight)
    found = standing(matter, concern(matter, snapshot), controls, scene)
    question = Question(
        matter=matter,
        snapshot=snapshot,
        bundle=bundle,
        standing=found,
        now=now,
        vouched=_vouched(warrant, snapshot, known.given, now),
        first=known.done + 1,
    )
    return decide(question).verdict


def acts(verdict: Verdict) -> bool:
    """Whether a verdict lets an executor write: a permit, and no mode that only observes."""
    return verdict.decision is Decision.PERMIT and verdict.mode is not Mode.OBSERVE


def held(warrant: Warrant, snapshot: Snapshot, controls: Controls) -> str | None:
    """Why people hold this warrant now, a freeze or a mode that only observes, or None. Asked before every step."""
    freezes, mode = in_force(concern(Matter.of_warrant(warrant), snapshot), controls)
    if freezes:
        first = freezes[0]
        scope = f"{first.scope.site or 'every site'}, {first.scope.tenant or 'every tenant'}"
        return f"frozen by `{first.by}` ({scope}): {first.reason or 'no reason given'}"
    return "the mode here is observe: verdicts only" if mode is Mode.OBSERVE else None


def undo_fault(inverse: Change, snapshot: Snapshot, bundle: Bundle, now: datetime) -> str | None:
    """The tier-0 rule that `inverse` would break on `snapshot`; None lets it go ahead, otherwise stop and hand over.

    Tier 1, freezes and modes do not hold an undo back: it returns to what was lawful and running. What the target
    itself would refuse is for the target to say.
    """
    laid = lay_out((inverse,), snapshot)
    if isinstance(laid, Refusal):
        return None
    question = Question(_undoing(laid.value.steps, snapshot), snapshot, bundle, Standing(Mode.AUTOMATIC), now)
    broken = [f for f in decide(question).verdict.failures if _is_locked(bundle, f)]
    return "; ".join(f"{f.dimension.value}: {f.about}: {f.found} ({f.policy})" for f in broken) or None


def _undoing(steps: tuple[Step, ...], snapshot: Snapshot) -> Matter:
    """An undo as a matter of its own: nobody proposes it, it stands for the executor's duty to put things back."""
    installation = snapshot.version.installation
    return Matter(
        installation=installation,
        incident=IncidentId("undo"),
        proposal=canonical.digest_of([s.json_form() for s in steps]),
        site=SiteId("undo"),
        lane=Lane.CASE,
        steps=steps,
        proposer=Subject(kind=SubjectKind.EXECUTOR, issuer=installation, name="undo"),
    )


def _is_locked(bundle: Bundle, failure: Failure) -> bool:
    rule = bundle.rules.get(failure.policy)
    return failure.policy in {KERNEL, ERRORED} or (rule is not None and rule.tier == 0)


def _vouched(warrant: Warrant, snapshot: Snapshot, given: tuple[Given, ...], now: datetime) -> Vouched:
    """What the approvals that the warrant names still stand for."""
    named = [g for g in given if g.digest in warrant.approvals]
    counted = approving.count(Matter.of_warrant(warrant), snapshot, named, now, lambda _: True)
    return Vouched(len(counted.operators), {t: len(people) for t, people in counted.owners.items()})


def _matter(warrant: Warrant, again: Again) -> Matter:
    steps = warrant.steps[again.done :]
    if again.proposal is None:
        return Matter.of_warrant(warrant.model_copy(update={"steps": steps}))
    if again.proposal.digest != warrant.proposal:
        raise BadInput(f"`{again.proposal.digest}` is not the proposal of this warrant; give `{warrant.proposal}`")
    # The changes were compared with what the person wrote before the first of them was done.
    mandate = again.mandate.model_copy(update={"changes": None}) if again.done else again.mandate
    return Matter.of(again.proposal.model_copy(update={"steps": steps}), warrant.proposal, mandate)
