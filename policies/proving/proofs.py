"""`prove`: every invariant over the whole of a bundle, and that Cedar's ways of losing a forbid do not lose one.

Called where a bundle is loaded for use, by `placet policy prove` and by the mutation report. A claim holds, or is
broken by a request that was put to Cedar, or is not decided; only a proof whose every claim holds lets a bundle be
served.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import z3

from estate.canonical import Json
from estate.ids import Digest
from estate.records import Model
from policies.proving import logic
from policies.proving.invariants import INVARIANTS, Invariant, View
from policies.proving.laws import Law
from policies.proving.logic import Formula
from policies.proving.sheets import Clause, Sheet
from policies.proving.witnesses import Answered, Case, case_of

PATIENCE: Final = 10_000
"""Milliseconds for one question to the solver; what takes longer is not decided."""


class Claim(Model):
    """One thing that was to be proved."""

    name: str
    says: str
    holds: bool
    environments: tuple[str, ...] = ()
    """The actions that it was proved for, or the one that breaks it."""
    why: str = ""
    """What is wrong, where it does not hold."""
    counterexample: Json = None
    milliseconds: float = 0.0


class Proof(Model):
    """Everything that was to be proved of a bundle."""

    bundle: Digest
    claims: tuple[Claim, ...]
    milliseconds: float

    @property
    def holds(self) -> bool:
        """Whether the bundle may be served."""
        return all(c.holds for c in self.claims)

    @property
    def broken(self) -> tuple[Claim, ...]:
        """What does not hold."""
        return tuple(c for c in self.claims if not c.holds)


def prove(law: Law, told: Callable[[Claim], object] = lambda _: None) -> Proof:
    """Every claim about `law`; `told` hears of each as it is decided.

    Raises:
        Unsupported: a policy says what the proofs do not understand.
    """
    started = time.perf_counter()
    proving = Proving.of(law)
    claims = []
    for claim in proving.claims():
        claims.append(claim)
        told(claim)
    return Proof(bundle=law.digest, claims=tuple(claims), milliseconds=_since(started))


class _Unproved(Exception):
    """Why a claim does not hold."""

    def __init__(self, why: str, action: str = "", case: Case | None = None) -> None:
        super().__init__(why)
        self.why, self.action, self.case = why, action, case


@dataclass
class Proving:
    """One law with its sheets and a solver for each."""

    law: Law
    sheets: tuple[Sheet, ...]
    solvers: dict[tuple[int, int], z3.Solver] = field(default_factory=dict)

    @classmethod
    def of(cls, law: Law) -> Proving:
        """Translate the law. Raises Unsupported."""
        return cls(law, law.sheets())

    def claims(self) -> Iterator[Claim]:
        """One after the other."""
        for invariant in INVARIANTS:
            yield self.invariant(invariant)
        yield self._claim("tier-0-decides", "no permit, approval or exception lifts a rule of tier 0", self._unlifted)
        yield self._claim("tier-0-never-errs", "no rule of tier 0 can be skipped because it errs", self._unskipped)
        yield self._claim("no-vacuous-policy", "every policy says something of some request", self._said)

    def invariant(self, invariant: Invariant) -> Claim:
        """Whether one invariant holds."""

        def look() -> Iterable[str]:
            about = [s for s in self.sheets if self.applies(invariant, s)]
            if not about:
                raise _Unproved(f"no action of the schema has {', '.join(f'`{r}`' for r in invariant.reads)}")
            for sheet in about:
                broken = invariant.broken(View(sheet))
                self.never(sheet, sheet.outcome.permitted, broken, f"`{invariant.name}` is broken, and it is permitted")
            return [e.action for s in about for e in s.environments]

        return self._claim(invariant.name, invariant.says, look)

    def applies(self, invariant: Invariant, sheet: Sheet) -> bool:
        """Whether an invariant speaks of a sheet."""
        return any(invariant.applies(e, self.law.schema.groups_of(e.action)) for e in sheet.environments)

    def never(self, sheet: Sheet, given: Formula, formula: Formula, why: str) -> None:
        """Raises _Unproved, with a request for which both hold where there is one."""
        model = self.model(sheet, given, formula)
        if model is not None:
            raise _Unproved(*self.witnessed(sheet, model, why))

    def model(self, sheet: Sheet, given: Formula, formula: Formula) -> z3.ModelRef | None:
        """A request for which both hold. `given` is what many questions about one sheet share."""
        if logic.fails(given) or logic.fails(formula):
            return None
        solver = self._solver(sheet, given)
        solver.push()
        try:
            solver.add(formula)
            found = solver.check()
            if found == z3.unknown:
                raise _Unproved(f"the solver gave up on {sheet.environment}: {solver.reason_unknown()}")
            return solver.model() if found == z3.sat else None
        finally:
            solver.pop()

    def _solver(self, sheet: Sheet, given: Formula) -> z3.Solver:
        key = (id(sheet), given.get_id())
        if key not in self.solvers:
            self.solvers[key] = sheet.solver(PATIENCE)
            self.solvers[key].add(given)
        return self.solvers[key]

    def witnessed(self, sheet: Sheet, model: z3.ModelRef, why: str) -> tuple[str, str, Case | None]:
        """What a model describes, put to Cedar: why it matters, the action, and the request if one can be made."""
        action = sheet.environment.action
        try:
            case = case_of(sheet, model)
            answered = self.law.cedar.ask(case)
        except (LookupError, ValueError) as error:
            return f"{why}; but no request can be made of what the solver found ({error})", action, None
        expected = expectation(sheet, model)
        if answered != expected:
            why += f"; the translation is wrong: Cedar says {answered}, the solver {expected}; report it"
        return why, action, case

    def _claim(self, name: str, says: str, look: Callable[[], Iterable[str]]) -> Claim:
        started = time.perf_counter()
        try:
            found = tuple(dict.fromkeys(look()))
        except _Unproved as error:
            return Claim(
                name=name,
                says=says,
                holds=False,
                environments=(error.action,) if error.action else (),
                why=error.why,
                counterexample=error.case.form() if error.case else None,
                milliseconds=_since(started),
            )
        return Claim(name=name, says=says, holds=True, environments=found, milliseconds=_since(started))

    def _unlifted(self) -> Iterable[str]:
        for sheet in self.sheets:
            locked = logic.some(c.satisfied for c in _locked(sheet))
            self.never(sheet, sheet.outcome.permitted, locked, "a rule of tier 0 forbids it, and it is permitted")
        return [e.action for s in self.sheets for e in s.environments]

    def _unskipped(self) -> Iterable[str]:
        for sheet in self.sheets:
            for clause in _locked(sheet):
                self.never(sheet, logic.TRUE, clause.errs, f"`{clause.policy.id}` errs, and Cedar skips it")
        return [e.action for s in self.sheets for e in s.environments]

    def _said(self) -> Iterable[str]:
        silent = [p.id for p in self.law.policies if not self._speaks(p.id)]
        if silent:
            names = ", ".join(f"`{i}`" for i in silent)
            raise _Unproved(f"{names}: no request could ever satisfy it; correct it or remove it")
        return [e.action for s in self.sheets for e in s.environments]

    def _speaks(self, policy: str) -> bool:
        about = [(s, c) for s in self.sheets for c in s.outcome.clauses if c.policy.id == policy]
        return any(self.model(s, logic.TRUE, c.satisfied) is not None for s, c in about)


def expectation(sheet: Sheet, model: z3.ModelRef) -> Answered:
    """What Cedar must say if the translation is right."""

    read = [(c.policy, *c.read(model)) for c in sheet.outcome.clauses]
    forbids = [p.id for p, satisfied, _ in read if satisfied and p.forbids]
    permits = [p.id for p, satisfied, _ in read if satisfied and not p.forbids]
    errs = any(erring for _, _, erring in read)
    return Answered(bool(permits) and not forbids, errs, tuple(sorted(forbids or permits)))


def _locked(sheet: Sheet) -> Sequence[Clause]:
    return [c for c in sheet.outcome.clauses if c.policy.tier == 0 and c.policy.forbids]


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1e3, 2)
