"""`decide`: the one function that says what the law answers. Pure; called by the gate and again by the executor.

A permit needs Cedar's Allow on every request, no evaluation error anywhere (Cedar skips what errors, a forbid too),
the kernel's silence, and steps that are laid out here exactly as proposed. Everything is evaluated: a verdict names
every failed dimension, not the first. Needs-approval: each deciding forbid is one that an approval lifts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from estate import effects, verdicts
from estate.effects import Effect
from estate.ids import Digest, PolicyId
from estate.records import write_time
from estate.verdicts import Decision, Dimension, Failure, Lifted, Requirement, Verdict
from policies import approving, behind, context, kernel, playing, risks, words
from policies.approving import Counted
from policies.asks import Ask, ReadSet
from policies.bundle import Answer, Rule
from policies.kernel import Approver, Objection
from policies.playing import Play
from policies.questions import Given, Question, Ruling

KERNEL = PolicyId("kernel")
"""The policy id of an objection that only the kernel raised."""
ERRORED = PolicyId("law-errored")
"""The policy id of a rule that could not be evaluated."""
UNPERMITTED = PolicyId("no-permit")
"""The policy id of a request that no rule permits."""
LATE = PolicyId("approval-in-time")
"""The policy id of a proposal that was not approved before its time to be approved ended."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What the law answered to everything that was asked."""

    failures: tuple[Failure, ...]
    deciding: tuple[Rule, ...]
    """Every rule that decided: forbids where there is one, permits otherwise."""
    requirements: tuple[Requirement, ...]
    lifted: bool
    """Whether approvals alone could turn every failure."""


def decide(question: Question) -> Ruling:
    """The law's answer to `question`, with every failed dimension."""
    effect = effects.once()
    play = playing.play(question.snapshot, question.matter.steps, question.standing.in_flight, question.first, effect)
    counted, refused = _counted(question, play)
    read = context.read(question, play, counted)
    answers = question.bundle.ask([a.request(read.principal) for a in read.asks])
    objections = _second_opinion(question, play, counted, effect)
    findings = _found(play, objections, tuple(zip(read.asks, answers, strict=True)))
    verdict = _verdict(question, play, counted, read, findings, refused)
    if question.standing.reliefs:
        verdict = verdict.model_copy(update={"lifted": _lifted(question, read, answers)})
    return Ruling(verdict, play.steps if play.matches else (), read, play.disturbed)


def _lifted(question: Question, read: ReadSet, answers: Sequence[Answer]) -> tuple[Lifted, ...]:
    """What would have forbidden it but for an exception or broken glass: the same requests with nothing lifted."""
    bare = [replace(a, context=a.context | {"lifted": []}) if "lifted" in a.context else a for a in read.asks]
    firm = question.bundle.ask([a.request(read.principal) for a in bare])
    found = []
    for ask, given, kept in zip(read.asks, answers, firm, strict=True):
        for rule in (r for r in kept.rules if r.forbids and r not in given.rules and r.liftable):
            by = min(r.id for r in question.standing.reliefs if r.lifts(rule.id, ask.about))
            found.append(Lifted(policy=rule.id, about=ask.about, by=by))
    return tuple(found)


def _counted(question: Question, play: Play) -> tuple[Counted, tuple[Failure, ...]]:
    """The approvals that count, and a failure for each that tier 0 keeps from counting (which decides nothing)."""
    refused: list[Failure] = []

    def admits(given: Given) -> bool:
        ask = context.approving_ask(question.matter, given, behind.authors(question))
        (answer,) = question.bundle.ask([ask.request(str(given.approval.approver))])
        refused.extend(words.failure(r, ask, play) for r in answer.rules if r.forbids)
        return answer.allowed and not answer.errors

    counted = approving.count(question.matter, play.base, question.given, question.now, admits)
    return counted, tuple(refused)


def _found(play: Play, objections: Iterable[Objection], answered: Sequence[tuple[Ask, Answer]]) -> Findings:
    failures: list[Failure] = []
    requirements: list[Requirement] = []
    deciding: list[Rule] = []
    lifted = True
    for ask, answer in answered:
        deciding += answer.rules
        forbids = [r for r in answer.rules if r.forbids]
        failures += [words.failure(r, ask, play) for r in forbids]
        requirements += [_requirement(r, ask) for r in forbids if r.requires is not None]
        found = broken(ask, answer)
        failures += found
        lifted = lifted and not found and all(r.requires is not None for r in forbids)
    second = disagreements(objections, failures)
    rules = [r for r in deciding if r.forbids] or deciding
    return Findings(
        words.once([*failures, *second]),
        tuple(sorted(set(rules), key=lambda r: (r.tier, r.id))),
        tuple(dict.fromkeys(requirements)),
        lifted and not second,
    )


def broken(ask: Ask, answer: Answer) -> list[Failure]:
    """What denies without a forbid: a rule that errored, and a request that nothing permits."""
    if answer.errors:
        return [_plain(Dimension.FACTS, ERRORED, ask.about, "every rule evaluated", "; ".join(answer.errors))]
    if not answer.allowed and not any(r.forbids for r in answer.rules):
        return [_plain(Dimension.APPROVAL, UNPERMITTED, ask.about, f"a rule that permits {ask.action}", "none")]
    return []


def _plain(dimension: Dimension, policy: PolicyId, about: str, needed: str, found: str) -> Failure:
    return Failure(
        dimension=dimension,
        policy=policy,
        about=about,
        needed=needed,
        found=found,
        remedy="tell whoever keeps the rules; what is not known to be permitted is forbidden",
        reason="nothing is permitted unless the law says so, without an error",
    )


def _second_opinion(question: Question, play: Play, counted: Counted, effect: Effect) -> tuple[Objection, ...]:
    approvers = [Approver(g.approval.approver, g.enrolment.roles, g.enrolment.human) for g in counted.approvers]
    ratified = question.standing.ratified
    return kernel.objections(question.matter, play.base, approvers, question.now, question.first, effect, ratified)


def disagreements(objections: Iterable[Objection], failures: Iterable[Failure]) -> tuple[Failure, ...]:
    """The kernel's objections that Cedar did not raise: each is a disagreement, and forbids."""
    raised = {(f.dimension, f.about) for f in failures}
    return tuple(
        _plain(o.dimension, KERNEL, o.about, "the agreement of the kernel", o.why)
        for o in objections
        if (o.dimension, o.about) not in raised
    )


def _requirement(rule: Rule, ask: Ask) -> Requirement:
    assert rule.requires is not None
    count = ask.context[rule.counted_in] if rule.counted_in else rule.count
    assert isinstance(count, int), rule.counted_in
    return Requirement(policy=rule.id, role=rule.requires, count=count, tenant=ask.tenant, reason=rule.reason)


def _verdict(
    question: Question,
    play: Play,
    counted: Counted,
    read: ReadSet,
    findings: Findings,
    refused: tuple[Failure, ...],
) -> Verdict:
    matter = question.matter
    decision, asked = _decision(findings), findings.requirements
    late = question.too_late and (decision is Decision.NEEDS_APPROVAL or not (findings.failures or counted.approvers))
    if late:
        decision, refused = Decision.FORBID, (_late(question, asked), *refused)
    waits = decision is Decision.NEEDS_APPROVAL
    return verdicts.Verdict(
        installation=matter.installation,
        incident=matter.incident,
        proposal=matter.proposal,
        site=matter.site,
        lane=matter.lane,
        decision=decision,
        policies=(*((LATE,) if late else ()), *_ids(findings)),
        failures=words.once([*findings.failures, *refused]),
        requirements=asked,
        approvals=counted.digests,
        mode=question.standing.mode,
        snapshot=question.snapshot.version,
        bundle=question.bundle.digest,
        facts=Digest(question.snapshot.facts.facts_digest),
        read_set=read.digest,
        decided_at=question.now,
        diff=_diff(question, play, asked) if waits else None,
        obligations=risks.owed(question.bundle.profile, play),
        approve_by=question.approve_by if waits else None,
        execute_within_seconds=int(question.bundle.profile.executing.total_seconds()) if waits else None,
    )


def _decision(findings: Findings) -> Decision:
    if not findings.failures:
        return Decision.PERMIT
    return Decision.NEEDS_APPROVAL if findings.lifted and findings.requirements else Decision.FORBID


def _late(question: Question, asked: Sequence[Requirement]) -> Failure:
    assert question.approve_by is not None, "only what has a time can be too late"
    return Failure(
        dimension=Dimension.APPROVAL,
        policy=LATE,
        about=f"proposal/{question.matter.proposal}",
        needed=f"approvals by {write_time(question.approve_by)}",
        found=f"at {write_time(question.now)}: {'; '.join(r.describe() for r in asked) or 'nobody had approved it'}",
        remedy="propose it again, and have it approved in time",
        reason="an approval counts until the time to approve has ended",
    )


def _ids(findings: Findings) -> tuple[PolicyId, ...]:
    own = [f.policy for f in findings.failures if f.policy in {KERNEL, ERRORED, UNPERMITTED}]
    deciding = [r.id for r in findings.deciding if r.forbids or not findings.failures]
    return tuple(dict.fromkeys([*deciding, *own]))


def _diff(question: Question, play: Play, asked: Sequence[Requirement]) -> Digest | None:
    """The diff to show: the one tenant's own part when only that tenant is asked, all of it otherwise."""
    if not asked:
        return None
    tenants = {r.tenant for r in asked}
    tenant = tenants.pop() if len(tenants) == 1 else None
    return approving.diff_of(question.matter.proposal, question.matter.steps, tenant, play.base).digest
