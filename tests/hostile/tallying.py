"""What came of the proposals: counted by profile, kind of change, aim, rule and dimension, and written as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from estate.canonical import Json
from estate.changes import Change
from estate.errors import PlacetError
from estate.verdicts import Decision, Dimension, Verdict
from policies.bundle import shipped_rules

ANSWERS = ("permit", "needs-approval", "forbid", "refused")
"""The last: refused at the door, so that the ledger has nothing of it."""
KINDS = tuple(sorted(kind.__name__ for kind in Change.__value__.__origin__.__args__))
_OF_READERS = frozenset({"tenant-evidence"})
"""Asked of whoever reads, and never of a proposal."""
TIER_0 = tuple(sorted(name for name, rule in shipped_rules().items() if rule.tier == 0 and name not in _OF_READERS))


@dataclass
class Tally:
    """The counts of some proposals under one profile."""

    answers: Counter[str] = field(default_factory=Counter)
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    aims: Counter[tuple[str, str]] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    dimensions: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)

    @property
    def judged(self) -> int:
        """How many proposals had an answer."""
        return self.answers.total()

    def answered(self, aim: str, kinds: Iterable[str], verdict: Verdict) -> None:
        """The last verdict on one proposal."""
        self._count(aim, kinds, verdict.decision.value)
        if verdict.decision is not Decision.PERMIT:
            self.rules.update({f.policy for f in verdict.failures})
            self.dimensions.update({f.dimension.value for f in verdict.failures})

    def refused(self, aim: str, kinds: Iterable[str], error: PlacetError) -> None:
        """It was never proposed, for that reason."""
        self._count(aim, kinds, "refused")
        self.refusals[type(error).__name__] += 1

    def _count(self, aim: str, kinds: Iterable[str], answer: str) -> None:
        self.answers[answer] += 1
        self.aims[aim, answer] += 1
        self.kinds.update((kind, answer) for kind in set(kinds))

    def add(self, other: Tally) -> None:
        """The counts of both."""
        for name in self.__dataclass_fields__:
            getattr(self, name).update(getattr(other, name))

    def json_form(self) -> dict[str, Json]:
        return {
            "proposals": self.judged,
            "answers": {a: self.answers[a] for a in ANSWERS},
            "kinds": {k: {a: self.kinds[k, a] for a in ANSWERS} for k in KINDS},
            "aims": {m: {a: self.aims[m, a] for a in ANSWERS} for m in sorted({m for m, _ in self.aims})},
            "rules": dict(self.rules.most_common()),
            "dimensions": {d.value: self.dimensions[d.value] for d in Dimension},
        }


def missing(tallies: Sequence[Tally]) -> list[str]:
    """What never occurred and should have: kinds of change, those permitted, dimensions and rules of tier 0."""
    whole = Tally()
    for one in tallies:
        whole.add(one)
    found = [f"no {k} was judged" for k in KINDS if not sum(whole.kinds[k, a] for a in ANSWERS)]
    found += [f"no {k} was permitted" for k in KINDS if not whole.kinds[k, "permit"]]
    found += [f"nothing failed as {d.value}" for d in Dimension if not whole.dimensions[d.value]]
    return [*found, *(f"{rule} forbade nothing" for rule in TIER_0 if not whole.rules[rule])]
