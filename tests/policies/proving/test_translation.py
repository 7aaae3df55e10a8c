"""The translation beside the engine: one random policy, store and request after the other, and never a difference."""

from __future__ import annotations

import z3
from hypothesis import example, given, settings
from hypothesis import strategies as st

from policies.proving import logic
from policies.proving.proofs import expectation
from policies.proving.witnesses import case_of
from tests.policies.proving import triples
from tests.policies.proving.triples import Trial

REQUESTS = 10
"""Of each random bundle: a thousand examples, as `make properties` draws, are 10 000 triples."""
seeds = st.integers(0, 2**32)
few = settings(max_examples=1000 if settings.default.max_examples >= 1000 else 3)
"""An example costs a quarter of a second."""


@few
@given(seeds)
def test_the_solver_and_cedar_agree_on_every_random_request(seed: int) -> None:
    """Decision, deciding policies and whether anything errs; and what is said of all stores holds of this one."""
    trial = Trial.of(seed)
    cases = list(triples.cases(seed, REQUESTS))
    for action, sheet in trial.sheets.items():
        solver = sheet.solver(30_000)
        solver.add(*triples.stored(sheet.space, cases[0]), *sheet.space.consistent())
        for case in (c for c in cases if c.request["action"]["id"] == action):
            solver.push()
            solver.add(triples.asked(sheet, case))
            assert solver.check() == z3.sat, (trial.text, case)
            assert expectation(sheet, solver.model()) == trial.cedar.ask(case), (trial.text, case)
            solver.pop()


@few
@given(seeds)
@example(7150)  # an ancestor that nothing but a set of entities names
def test_what_the_solver_finds_is_a_request_that_cedar_answers_alike(seed: int) -> None:
    """A counterexample is only worth something if it can be repeated: store, request and answer."""
    trial = Trial.of(seed)
    for sheet in trial.sheets.values():
        wanted = [sheet.outcome.permitted, sheet.outcome.errs, *(c.satisfied for c in sheet.outcome.clauses)]
        for formula in (f for f in wanted if not logic.fails(f)):
            solver = sheet.solver(2_000)
            solver.add(formula)
            if solver.check() != z3.sat:
                continue
            try:
                case = case_of(sheet, solver.model())
            except LookupError:
                continue  # said so, and never taken for a proof
            assert trial.cedar.ask(case) == expectation(sheet, solver.model()), (trial.text, case)
