"""The mutation report: each guard of tier 0 taken away, one at a time, must be noticed by a proof or by a case.

A guard is a policy, one thing its scope names, or one condition in it whose loss makes the policy forbid less. What no
request could tell from the law as it stands is redundant; what some request could, and no invariant and no case
notices, is a hole in them. Called by `placet policy mutate` and by a test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import cedarpy
from cedarpy import pst

from estate.records import Model
from policies.proving import logic
from policies.proving.invariants import INVARIANTS, Invariant, View
from policies.proving.laws import Law
from policies.proving.proofs import Proving
from policies.proving.sheets import Environment, Outcome, Policy, Sheet

_CLASPED: Final = re.compile(r"\((context(?:\.\w+)*)\)")
type Notices = Callable[[cedarpy.PolicySet], str]
"""The sentence of the first case that a changed law fails; empty where all pass."""


class Mutation(Model):
    """One guard that was taken away, and who noticed."""

    policy: str
    lost: str
    """What was taken away, as Cedar's text."""
    invariant: str = ""
    """The invariant that breaks."""
    case: str = ""
    """The case that fails."""
    redundant: bool = False
    """No request could tell."""

    @property
    def noticed(self) -> bool:
        """Whether it is detected, or makes no difference."""
        return self.redundant or bool(self.invariant or self.case)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A policy that forbids less than it did, or is gone."""

    policy: Policy
    lost: str
    tree: pst.Template | None


def report(law: Law, notices: Notices) -> Iterator[Mutation]:
    """Every mutant of tier 0 with who noticed it. Raises Unsupported."""
    proving = Proving.of(law)
    for policy in law.policies:
        if policy.tier == 0:
            for mutant in mutants(policy):
                yield _Trial(proving, mutant, notices).mutation()


def mutants(policy: Policy) -> Iterator[Mutant]:
    """The policy taken away, then what can be taken from it."""
    yield Mutant(policy, "the whole policy", None)
    action = policy.tree.action
    if isinstance(action, pst.ActionIn) and len(action.entities) > 1:
        for entity in action.entities:
            kept = tuple(e for e in action.entities if e != entity)
            yield Mutant(policy, f"{entity} in its scope", replace(policy.tree, action=pst.ActionIn(kept)))
    for number, clause in enumerate(policy.tree.clauses):
        for lost, weaker in _weaker(clause.expr, forbids=isinstance(clause, pst.When)):
            clauses = list(policy.tree.clauses)
            clauses[number] = type(clause)(weaker)
            yield Mutant(policy, written(lost), replace(policy.tree, clauses=tuple(clauses)))


def _weaker(expression: pst.Expr, *, forbids: bool) -> Iterator[tuple[pst.Expr, pst.Expr]]:
    """What may be lost of a condition, and the condition without it. `forbids`: whether it forbids where it is true."""
    match expression:
        case pst.UnaryOp("not", arg):
            for lost, weaker in _weaker(arg, forbids=not forbids):
                yield lost, pst.UnaryOp("not", weaker)
        case pst.BinaryOp("and" | "or" as op, left, right):
            if (op == "or") == forbids:  # the one side alone forbids less
                yield left, right
                yield right, left
            for lost, weaker in _weaker(left, forbids=forbids):
                yield lost, pst.BinaryOp(op, weaker, right)
            for lost, weaker in _weaker(right, forbids=forbids):
                yield lost, pst.BinaryOp(op, left, weaker)
        case _:
            return


def written(expression: pst.Expr) -> str:
    """An expression as Cedar's text, on one line."""
    everything = pst.ScopeAny()
    policy = pst.Template("p", "permit", everything, everything, everything, (pst.When(expression),), pst.FrozenMap())
    text = str(cedarpy.PolicySet.from_pst(pst.PolicySet({}, {"p": policy}, ())))
    body, bare = " ".join(text[text.index("{") + 1 : text.rindex("}")].split()), ""
    while bare != body:
        body, bare = _CLASPED.sub(r"\1", body), body
    return body


@dataclass(frozen=True, slots=True)
class _Trial:
    """One mutant in every environment that its policy speaks in."""

    proving: Proving
    mutant: Mutant
    notices: Notices

    def mutation(self) -> Mutation:
        found = Mutation(policy=self.mutant.policy.id, lost=self.mutant.lost)
        changed = [s for s in self._sheets() if self._differs(s)]
        if not changed:
            return found.model_copy(update={"redundant": True})
        if invariant := next((i.name for i in self._invariants() if any(self._breaks(s, i) for s in changed)), ""):
            return found.model_copy(update={"invariant": invariant})
        return found.model_copy(update={"case": self.notices(self._set())})

    def _sheets(self) -> Iterator[tuple[Sheet, Outcome]]:
        """The environments, each with what the mutant makes of it."""
        for sheet in self.proving.sheets:
            if any(c.policy.id == self.mutant.policy.id for c in sheet.outcome.clauses):
                environments = sheet.environments if self._of_scope() else sheet.environments[:1]
                for environment in environments:
                    yield sheet, self._outcome(sheet, environment)

    def _of_scope(self) -> bool:
        return self.mutant.tree is not None and self.mutant.tree.action != self.mutant.policy.tree.action

    def _outcome(self, sheet: Sheet, environment: Environment) -> Outcome:
        others = tuple(c for c in sheet.outcome.clauses if c.policy.id != self.mutant.policy.id)
        if self.mutant.tree is None:
            return Outcome(others)
        changed = sheet.clause(environment, replace(self.mutant.policy, tree=self.mutant.tree))
        return Outcome(others if changed is None else (*others, changed))

    def _differs(self, pair: tuple[Sheet, Outcome]) -> bool:
        sheet, outcome = pair
        more = logic.both(outcome.permitted, logic.no(sheet.outcome.permitted))
        return self.proving.model(sheet, logic.TRUE, more) is not None

    def _invariants(self) -> Sequence[Invariant]:
        """The likely ones first."""
        return sorted(INVARIANTS, key=lambda i: not self.mutant.policy.id.startswith(i.guards))

    def _breaks(self, pair: tuple[Sheet, Outcome], invariant: Invariant) -> bool:
        sheet, outcome = pair
        if not self.proving.applies(invariant, sheet):
            return False
        return self.proving.model(sheet, outcome.permitted, invariant.broken(View(sheet))) is not None

    def _set(self) -> cedarpy.PolicySet:
        kept = {p.tree.id: p.tree for p in self.proving.law.policies if p.id != self.mutant.policy.id}
        if self.mutant.tree is not None:
            kept[self.mutant.tree.id] = self.mutant.tree
        return cedarpy.PolicySet.from_pst(pst.PolicySet(pst.FrozenMap(), pst.FrozenMap(kept), ()))
