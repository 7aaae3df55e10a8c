"""What the law says about what is running: the tier-0 rules asked of every workload where it stands. Pure.

Called at first contact with a cluster (`placet connect`). It holds no rule: each workload is asked about as if its
bindings were being made now, of Cedar and of the kernel, by the very request that a move would make. Tiers 1 and 2 are
about changes and those who want them; nobody asked for what is there, so only what no approval lifts counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import batched
from typing import Final

from estate import canonical
from estate.identities import Subject, SubjectKind
from estate.ids import IncidentId, SiteId, TenantId, WorkloadId
from estate.modes import Mode
from estate.proposals import Lane
from estate.records import Model
from estate.snapshots import Snapshot
from estate.verdicts import Failure
from policies import context, deciding, kernel, playing, words
from policies.approving import Counted
from policies.asks import Ask
from policies.bundle import Answer, Bundle
from policies.playing import Play
from policies.questions import Matter, Question, Standing

_AT_ONCE: Final = 500
"""Workloads of one batch of requests: their contexts are held until it is answered."""


class Review(Model):
    """What the law says of one workload where it stands."""

    workload: WorkloadId
    tenant: TenantId
    failures: tuple[Failure, ...] = ()
    """Every failed dimension, in the order of the closed set."""

    @property
    def lawful(self) -> bool:
        """Whether tier 0 lets it stand there."""
        return not self.failures


def review(
    snapshot: Snapshot, bundle: Bundle, now: datetime, only: Iterable[WorkloadId] | None = None
) -> tuple[Review, ...]:
    """Every workload (or those named, as far as they are there) by id, with what it breaks.

    One costs what its own replicas and their neighbours cost, however large the estate is.
    """
    names = (w.id for w in snapshot.workloads()) if only is None else sorted(set(only))
    reviewing = _Reviewing(snapshot, bundle, _nobodys(snapshot), playing.play(snapshot, ()))
    expired = reviewing.expired(now)
    return tuple(found for part in batched(names, _AT_ONCE) for found in reviewing.batch(part, expired, now))


def stands(snapshot: Snapshot, bundle: Bundle, now: datetime, name: WorkloadId) -> tuple[Failure, ...]:
    """What one workload breaks by standing where it does, whether the facts are still in force or not: that is one
    failure of all, not one of each. Nothing where there is no such workload.
    """
    reviewing = _Reviewing(snapshot, bundle, _nobodys(snapshot), playing.play(snapshot, ()))
    return next((r.failures for r in reviewing.batch((name,), (), now)), ())


def _nobodys(snapshot: Snapshot) -> Matter:
    """Nobody proposes what is there: a matter without steps, on behalf of no person and for no tenant."""
    installation = snapshot.version.installation
    return Matter(
        installation=installation,
        incident=IncidentId("review"),
        proposal=canonical.digest_of([]),
        site=SiteId("review"),
        lane=Lane.CASE,
        steps=(),
        proposer=Subject(kind=SubjectKind.AGENT, issuer=installation, name="review"),
        vouched=True,
    )


@dataclass(frozen=True, slots=True)
class _Reviewing:
    """One estate under one law."""

    snapshot: Snapshot
    bundle: Bundle
    matter: Matter
    play: Play

    def expired(self, now: datetime) -> tuple[Failure, ...]:
        """What fails whatever the workload: facts that have expired decide nothing."""
        question = Question(self.matter, self.snapshot, self.bundle, Standing(Mode.OBSERVE), now)
        asks = context.read(question, self.play, Counted()).asks
        failures = [f for ask, answer in self._answered(asks) for f in self._failures(ask, answer)]
        return (*failures, *deciding.disagreements(kernel.objections(self.matter, self.snapshot, (), now), failures))

    def batch(self, names: Iterable[WorkloadId], expired: tuple[Failure, ...], now: datetime) -> Iterator[Review]:
        """What each of these breaks, beside what fails for all."""
        befores = {n: before for n in names if (before := _unplaced(self.snapshot, n)) is not None}
        asks = [context.standing_ask(self.matter, before, self.snapshot, n, now) for n, before in befores.items()]
        for (name, before), (ask, answer) in zip(befores.items(), self._answered(asks), strict=True):
            failures = self._failures(ask, answer)
            objections = kernel.misplacements(self.matter, before, self.snapshot, name, now)
            found = (*failures, *deciding.disagreements(objections, failures))
            common = (f.model_copy(update={"about": ask.about, "tenant": ask.tenant}) for f in expired)
            assert ask.tenant is not None, name  # every request about a workload names whose it is
            yield Review(workload=name, tenant=ask.tenant, failures=words.once([*found, *common]))

    def _answered(self, asks: Iterable[Ask]) -> list[tuple[Ask, Answer]]:
        listed = list(asks)
        answers = self.bundle.ask([a.request(str(self.matter.proposer)) for a in listed])
        return list(zip(listed, answers, strict=True))

    def _failures(self, ask: Ask, answer: Answer) -> list[Failure]:
        locked = [r for r in answer.rules if r.forbids and r.tier == 0]
        return [*(words.failure(r, ask, self.play) for r in locked), *deciding.broken(ask, answer)]


def _unplaced(snapshot: Snapshot, name: WorkloadId) -> Snapshot | None:
    """The estate in which none of its replicas is placed; None where there is no such workload."""
    found = snapshot.workload(name)
    return None if found is None else snapshot.with_workload(found.without(found.bindings))
