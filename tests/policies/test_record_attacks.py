"""Attacks on the record between a decision and its warrant: each refused, with the reason.

Flipped bytes, truncation, split views, a stolen ledger key, tricks of spelling, races and wrong executors have
their tests beside what they attack: `tests/ledger`, `tests/execution`, `tests/crash/test_warrant_race.py`.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate.errors import RetryLater
from estate.outcomes import Ending
from policies.ledger.memory import MemoryLedger
from policies.ledger.port import Appended, Draft, EntryKind
from tests.builders import INSTALLATION, proposal
from tests.execution.rig import Rig, sealed, warrant
from tests.ledger.test_verification import EXPORT, found, place
from tests.policies.asking import MOVE_A
from tests.policies.test_gate import House


class Failing(MemoryLedger):
    """A ledger whose storage goes away at the n-th append, for so many of them, and comes back."""

    def __init__(self, at: int, times: int = 1) -> None:
        super().__init__(INSTALLATION)
        self.left, self.times = at, times

    async def append(self, draft: Draft) -> Appended:
        self.left -= 1
        if -self.times < self.left <= 0:
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


@pytest.mark.parametrize("at", [1, 2])
async def test_without_its_ledger_an_executor_writes_nothing(at: int) -> None:
    """Consumed and started stand before the first write: without either there is none, and the warrant is not spent."""
    rig = Rig(ledger=Failing(at, times=3))
    with pytest.raises(RetryLater):
        await rig.executor().execute(sealed(warrant()))
    assert rig.world.writes == []
    assert (await rig.executor().execute(sealed(warrant()))).ending is Ending.VERIFIED


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
