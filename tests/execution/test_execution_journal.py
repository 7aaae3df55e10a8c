"""The journal as a pure state machine: whatever is in the ledger, the next move follows from it alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from estate.canonical import Json, digest
from estate.ids import ExecutionId
from estate.outcomes import Ending
from policies.ledger.port import Entry, EntryKind
from tests.builders import START, steps
from tests.drawing import among
from tests.execution.rig import CAP, FENCE, MOVE
from tools.execution import journal
from tools.execution.journal import Conclude, Do, JournalState, Move, Undo, Verify
from tools.execution.notes import StepNote, Trouble, Wrote

EXECUTION = journal.execution_id("0" * 32)

type World = Callable[[Move], EntryKind]


def entry(kind: EntryKind, step: int, *, execution: ExecutionId = EXECUTION) -> Entry:
    """A ledger entry of one step."""
    note = StepNote(
        execution=execution,
        step=step,
        change="a change",
        wrote=Wrote.NO if kind is EntryKind.STEP_FAILED else None,
        trouble=Trouble.FORBIDDEN if kind is EntryKind.UNDO_FAILED else None,
    )
    body: dict[str, Json] = note.json_form()
    return Entry(0, kind, START, "executor", f"{kind}:{step}", None, digest(b""), b"", b"", body)


@st.composite
def runs(draw: st.DrawFn) -> tuple[int, list[Entry]]:
    """The number of steps, and the entries of a lawful run cut off anywhere: what a crash leaves behind."""
    count = draw(st.integers(1, 5))
    entries: list[Entry] = []
    state = JournalState()
    for _ in range(draw(st.integers(0, 4 * count + 2))):
        match journal.next_move(state, count):
            case Do(number, again):
                good, bad = EntryKind.STEP_APPLIED, EntryKind.STEP_FAILED
                kind = draw(among([good, good, bad])) if again else EntryKind.STEP_STARTED
            case Undo(number, again):
                good, bad = EntryKind.UNDO_APPLIED, EntryKind.UNDO_FAILED
                kind = draw(among([good, good, bad])) if again else EntryKind.UNDO_STARTED
            case Verify():
                number, kind = draw(st.integers(1, count)), EntryKind.STEP_FAILED
            case Conclude():
                break
        made = entry(kind, number)
        if kind is EntryKind.STEP_FAILED and state.step(number).applied:
            made = replace(made, body={**made.body, "wrote": Wrote.YES.value})
        entries.append(made)
        state = journal.after(state, made)
    return count, entries


@given(runs())
def test_steps_go_forwards_in_order_and_undos_backwards(run: tuple[int, list[Entry]]) -> None:
    _, entries = run
    applied = [e.body["step"] for e in entries if e.kind is EntryKind.STEP_APPLIED]
    undone = [e.body["step"] for e in entries if e.kind is EntryKind.UNDO_APPLIED]
    assert applied == list(range(1, len(applied) + 1))
    assert undone == applied[::-1][: len(undone)]


@given(runs())
def test_nothing_is_started_after_a_failure_and_nothing_undone_before_one(run: tuple[int, list[Entry]]) -> None:
    _, entries = run
    kinds = [e.kind for e in entries]
    turn = kinds.index(EntryKind.STEP_FAILED) if EntryKind.STEP_FAILED in kinds else len(kinds)
    assert not {EntryKind.UNDO_STARTED, EntryKind.UNDO_APPLIED, EntryKind.UNDO_FAILED} & set(kinds[:turn])
    assert not {EntryKind.STEP_STARTED, EntryKind.STEP_APPLIED} & set(kinds[turn:])


@given(runs(), st.integers(1, 3))
def test_folding_is_the_same_at_once_one_by_one_and_twice(run: tuple[int, list[Entry]], times: int) -> None:
    """A resumed executor reads what its predecessor folded as it went; a retried append is seen twice."""
    _, entries = run
    one_by_one = JournalState()
    for made in entries:
        for _ in range(times):
            one_by_one = journal.after(one_by_one, made)
    assert one_by_one == journal.fold(entries, EXECUTION)


@given(runs(), st.data())
def test_entries_of_another_execution_change_nothing(run: tuple[int, list[Entry]], data: st.DataObject) -> None:
    _, entries = run
    foreign = entry(EntryKind.STEP_FAILED, 1, execution=journal.execution_id("f" * 32))
    at = data.draw(st.integers(0, len(entries)))
    mixed = [*entries[:at], foreign, *entries[at:]]
    assert journal.fold(mixed, EXECUTION) == journal.fold(entries, EXECUTION)


@given(runs())
def test_every_run_comes_to_an_end(run: tuple[int, list[Entry]]) -> None:
    """From whatever a crash left, a world in which every write works leads to an ending within four entries a step."""
    count, entries = run
    state = journal.fold(entries, EXECUTION)
    for _ in range(4 * count + 1):
        match journal.next_move(state, count):
            case Do(number, _):
                state = journal.after(state, entry(EntryKind.STEP_APPLIED, number))
            case Undo(number, _):
                state = journal.after(state, entry(EntryKind.UNDO_APPLIED, number))
            case Verify() | Conclude():
                break
    stands = [n for n in range(1, count + 1) if state.step(n).stands]
    match journal.ending(state):
        case Ending.VERIFIED:
            assert stands == list(range(1, count + 1))
        case Ending.ROLLED_BACK | Ending.REFUSED:
            assert stands == []
        case Ending.HANDED_OVER | Ending.FAILED:
            assert stands


def test_of_many_conditions_on_one_field_verification_reads_the_last_and_rollback_the_first() -> None:
    lower = CAP.model_copy(update={"watts": 5_000})
    laid = steps(CAP, lower, MOVE, FENCE)
    cap = [c.equals for c in journal.expected(laid) if c.about == CAP.target()]
    was = [c.equals for c in journal.original(laid) if c.about == CAP.target()]
    assert (cap, was) == ([5_000], [None])
