"""Attacks on the record between a decision and its warrant: each refused, with the reason.

Flipped bytes, truncation, split views, a stolen ledger key, tricks of spelling, races and wrong executors have
their tests beside what they attack: `tests/ledger`, `tests/execution`, `tests/crash/test_warrant_race.py`.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate.errors import RetryLater
from estate.verdicts import Decision
from policies.ledger.memory import MemoryLedger
from policies.ledger.port import Appended, Draft, EntryKind
from tests.builders import INSTALLATION, proposal
from tests.ledger.test_verification import EXPORT, found, place
from tests.policies.asking import MOVE_A, MOVE_B, owner
from tests.policies.test_gate import House


class Failing(MemoryLedger):
    """A ledger whose storage goes away at the n-th append and comes back."""

    def __init__(self, at: int) -> None:
        super().__init__(INSTALLATION)
        self.left = at

    async def append(self, draft: Draft) -> Appended:
        self.left -= 1
        if self.left == 0:
            raise RetryLater("the ledger is away")
        return await super().append(draft)


@pytest.mark.parametrize("at", [1, 2, 3])
async def test_without_its_ledger_a_gate_gives_nothing_out(at: int) -> None:
    """No append, no warrant: proposed, decided and issued each stand before the next may happen."""
    house = House(Failing(at))
    gate = house.gate()
    with pytest.raises(RetryLater):
        await gate.submit(proposal(MOVE_A))
    assert EntryKind.ISSUED not in await house.kinds()
    assert (await gate.submit(proposal(MOVE_A))).warrant_envelope is not None
    assert (await house.kinds()).count(EntryKind.ISSUED) == 1


async def test_an_approval_is_of_one_change_and_of_no_altered_one() -> None:
    """Another digest is another proposal, to which nobody has said anything yet."""
    house, asked, bea = House(MemoryLedger(INSTALLATION)), proposal(MOVE_B), owner()
    gate = house.gate()
    assert (await gate.submit(asked)).verdict.decision is Decision.NEEDS_APPROVAL
    altered = asked.model_copy(update={"summary": f"{asked.summary}, and a little more"})
    assert (await gate.submit(altered)).verdict.decision is Decision.NEEDS_APPROVAL
    assert (await gate.approve(bea.sealed(asked))).warrant_envelope is not None
    answer = await gate.submit(altered)
    assert (answer.verdict.decision, answer.warrant_envelope) == (Decision.NEEDS_APPROVAL, None)


@given(st.data())
def test_entries_that_changed_places_are_found(data: st.DataObject) -> None:
    """Reordering: every line is as it was written, and stands where another should."""
    leaves = [number for number, line in enumerate(EXPORT) if place(line)]
    one, other = sorted(data.draw(st.lists(st.sampled_from(leaves), min_size=2, max_size=2, unique=True)))
    moved = [*EXPORT]
    moved[one], moved[other] = moved[other], moved[one]
    fault = found(moved).fault
    assert fault is not None
    assert "stands in its place" in fault.reason
