"""Exceptions and broken glass in force: what a guardrail of tier 1 gives way to, and for how long.

Held by `controls`, which verifies signatures and standing first; read by `standing` for every decision. Refused here:
tier 0 and firm rules, everything unscoped or over, one human in two parts (whatever their accounts), words out of time.
Tier 0 reads none of it: what slipped in here all the same would lift nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, assert_never

from estate.errors import Denied
from estate.identities import Enrolment, Role, Subject, SubjectKind
from estate.ids import Digest, PolicyId
from estate.modes import Scope
from estate.reliefs import BreakGlass, Glass, GlassState, GlassWord, PolicyException
from policies.bundle import shipped_rules

LASTS: Final = timedelta(hours=1)
"""How long broken glass is in force."""
SECONDED_WITHIN: Final = timedelta(minutes=15)
REVIEWED_WITHIN: Final = timedelta(days=3)
"""Of its end; then the review is overdue."""
LONGEST_EXCEPTION: Final = timedelta(days=366)
_FRESH: Final = timedelta(minutes=2)
"""How old a word on glass may be when it comes: an hour does not begin yesterday."""
_BREAKERS: Final = frozenset({Role.ADMINISTRATOR, Role.OPERATOR})
_REVIEWERS: Final = frozenset({Role.ADMINISTRATOR, Role.POLICY_AUTHOR})

type Word = PolicyException | BreakGlass


@dataclass(frozen=True, slots=True)
class Relief:
    """What gives way where. `rule` None: every rule of tier 1 that is not firm."""

    id: Digest
    rule: PolicyId | None
    scope: Scope
    by: tuple[Subject, ...]
    target: str = ""
    lasts: timedelta = LASTS

    def lifts(self, rule: str, about: str) -> bool:
        """Whether it lifts that rule about that thing, its scope apart."""
        return self.rule in (None, rule) and self.target in ("", about)


@dataclass(slots=True)
class _Pane:
    """One pane of glass and who said what of it, each with their human name."""

    broken: BreakGlass
    humans: frozenset[str]
    seconded: BreakGlass | None = None
    review: BreakGlass | None = None


@dataclass(slots=True)
class Reliefs:
    """Every exception and every pane of one installation."""

    _exceptions: dict[tuple[PolicyId, Scope, str], PolicyException] = field(default_factory=dict)
    _panes: dict[Digest, _Pane] = field(default_factory=dict)

    def check(self, word: Word, signer: Enrolment, now: datetime) -> None:
        """Refuse what may not take effect. Raises Denied."""
        match word:
            case PolicyException():
                _check_exception(word, signer)
            case BreakGlass():
                self._check_glass(word, signer, now)
            case never:
                assert_never(never)

    def take(self, word: Word, signer: Enrolment) -> None:
        """Let a checked word take effect. A second time, and an older one of the same exception, changes nothing."""
        match word:
            case PolicyException():
                key = (word.rule, word.scope, word.target)
                held = self._exceptions.get(key)
                if held is None or (held.at, held.revoked) <= (word.at, word.revoked):
                    self._exceptions[key] = word
            case BreakGlass(of=None):
                self._panes.setdefault(word.digest, _Pane(word, frozenset({signer.human})))
            case BreakGlass(of=of):
                assert of is not None, "the case before has those without"
                self._say(self._panes[of], word, signer)
            case never:
                assert_never(never)

    def in_force(self, now: datetime) -> tuple[Relief, ...]:
        """Everything that gives way at `now`."""
        excepted = (_excepting(e) for e in self._exceptions.values() if not e.revoked and e.valid_until > now)
        broken = (g for g in self.glasses(now) if g.state is GlassState.IN_FORCE)
        return (*excepted, *(Relief(g.id, None, g.scope, g.by) for g in broken))

    def exceptions(self) -> tuple[PolicyException, ...]:
        """Every exception that was not revoked, oldest first, those that have ended among them."""
        return tuple(sorted((e for e in self._exceptions.values() if not e.revoked), key=lambda e: e.at))

    def glasses(self, now: datetime) -> tuple[Glass, ...]:
        """Every pane as it stands at `now`, oldest first."""
        return tuple(_standing(name, pane, now) for name, pane in self._panes.items())

    def _check_glass(self, word: BreakGlass, signer: Enrolment, now: datetime) -> None:
        if self._knows(word):
            return
        allowed = _REVIEWERS if word.word is GlassWord.REVIEW else _BREAKERS
        if signer.subject.kind is not SubjectKind.HUMAN or allowed.isdisjoint(signer.roles):
            roles = ", ".join(sorted(r.value for r in allowed))
            raise Denied(f"`{signer.subject}` may not {word.word.value} glass; a human who is {roles} may")
        if word.at < now - _FRESH:
            raise Denied(f"the word was given at {word.at.isoformat()}, too long ago to count; give it again")
        if word.of is None:
            return
        pane = self._panes.get(word.of)
        if pane is None or pane.broken.scope != word.scope:
            raise Denied(f"no glass `{word.of}` was broken in that scope; see `placet get reliefs`")
        if signer.human in pane.humans:
            raise Denied(f"`{signer.subject}` is one of those who broke it; another human has to {word.word.value} it")
        if fault := _out_of_turn(pane, word):
            raise Denied(fault)

    def _knows(self, word: BreakGlass) -> bool:
        """Whether this very word was taken: every word comes twice, from the ledger and from the stream."""
        pane = self._panes.get(word.of or word.digest)
        return pane is not None and word in (pane.broken, pane.seconded, pane.review)

    def _say(self, pane: _Pane, word: BreakGlass, signer: Enrolment) -> None:
        if word.word is GlassWord.SECOND and pane.seconded is None:
            pane.seconded = word
            pane.humans |= {signer.human}
        elif word.word is GlassWord.REVIEW and pane.review is None:
            pane.review = word


def _check_exception(word: PolicyException, signer: Enrolment) -> None:
    rule = shipped_rules().get(word.rule)
    if signer.subject.kind is not SubjectKind.HUMAN or Role.ADMINISTRATOR not in signer.roles:
        raise Denied(f"`{signer.subject}` may make no exception; an administrator may")
    if rule is None:
        raise Denied(f"there is no rule `{word.rule}`; see `placet policy rules`")
    if rule.tier == 0:
        raise Denied(f"`{word.rule}` is of tier 0, which nothing lifts; change what is asked instead")
    if not rule.liftable:
        raise Denied(
            f"`{word.rule}` of tier {rule.tier} takes no exception: {rule.firm or 'people lift it by approving'}"
        )
    if not word.revoked and word.valid_until <= word.at:
        raise Denied(f"the exception ended at {word.valid_until.isoformat()}; give it a time to come")
    if word.valid_until - word.at > LONGEST_EXCEPTION:
        raise Denied(f"an exception lasts {LONGEST_EXCEPTION.days} days at most; what is meant for good is a profile")


def _out_of_turn(pane: _Pane, word: BreakGlass) -> str | None:
    if word.word is GlassWord.REVIEW:
        return None if pane.seconded is not None else "nobody seconded it, so that nothing was done; nothing to review"
    if pane.seconded is not None:
        return "it was seconded already; break it anew when the hour is over"
    late = word.at - pane.broken.at > SECONDED_WITHIN
    return "it was broken too long ago to be seconded; break it anew" if late else None


def _excepting(word: PolicyException) -> Relief:
    return Relief(word.digest, word.rule, word.scope, (word.by,), word.target, word.valid_until - word.at)


def _standing(name: Digest, pane: _Pane, now: datetime) -> Glass:
    broken, seconded, review = pane.broken, pane.seconded, pane.review
    until = seconded.at + LASTS if seconded is not None else None
    due = until + REVIEWED_WITHIN if until is not None else None
    return Glass(
        id=name,
        state=_state(pane, until, now),
        scope=broken.scope,
        reason=broken.reason,
        by=(broken.by, *((seconded.by,) if seconded is not None else ())),
        until=until,
        due_at=due,
        reviewed_by=review.by if review is not None else None,
        finding=review.reason if review is not None else "",
    )


def _state(pane: _Pane, until: datetime | None, now: datetime) -> GlassState:
    if until is None:
        return GlassState.WAITING if now - pane.broken.at <= SECONDED_WITHIN else GlassState.LAPSED
    if now < until:
        return GlassState.IN_FORCE
    if pane.review is not None:
        return GlassState.REVIEWED
    return GlassState.REVIEW_DUE if now <= until + REVIEWED_WITHIN else GlassState.OVERDUE
