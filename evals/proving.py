"""A scenario proves itself: gold scores 1, doing nothing scores 0, each wrong fix scores 0. Pure; starts nothing."""

from __future__ import annotations

from collections.abc import Iterable

from estate.changes import Change
from estate.effects import effect
from estate.frozen import FrozenEstate
from estate.records import Model
from estate.results import Refusal
from estate.snapshots import Snapshot
from evals.oracles import Score, judge
from evals.scenarios import Loaded


class Proof(Model):
    """What each answer scored, and whether that makes the scenario fit for use."""

    name: str
    gold: Score
    nothing: Score
    wrong: tuple[Score, ...]

    @property
    def holds(self) -> bool:
        """Whether the answer key tells right from wrong."""
        return self.gold.score == 1 and self.nothing.score == 0 and all(w.score == 0 for w in self.wrong)


def prove(loaded: Loaded) -> Proof:
    """Score the three kinds of answer on the estate as the world left it."""
    start, happened = loaded.start(), loaded.happened()
    oracle = loaded.scenario.oracle

    def score(changes: Iterable[Change]) -> Score:
        return judge(oracle, without_bystanders(start, happened), _applied(happened, changes))

    return Proof(
        name=loaded.scenario.name,
        gold=score(loaded.scenario.gold),
        nothing=score(()),
        wrong=tuple(score(w) for w in loaded.scenario.wrong),
    )


def _applied(estate: Snapshot, changes: Iterable[Change]) -> Snapshot:
    """The estate after those changes that have an effect, in order; one without effect is left out."""
    for change in changes:
        result = effect(change, estate)
        if not isinstance(result, Refusal):
            estate = result.value
    return estate


def without_bystanders(start: FrozenEstate, happened: FrozenEstate) -> FrozenEstate:
    """The estate to compare with: what the world itself started counts as having been there before."""
    for workload in happened.workloads():
        if start.workload(workload.id) is None:
            start = start.with_workload(workload)
    return start
