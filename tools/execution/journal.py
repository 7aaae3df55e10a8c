"""The execution journal is the ledger: what the entries of one execution say, what is done, and what is next.

Pure. `after` folds one entry into the state, `next_move` says what comes next, `ending` how it ended. The executor
obeys; whoever resumes an execution folds the same entries and comes to the same next move.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from estate import effects
from estate.conditions import Condition, lasting
from estate.effects import Step
from estate.errors import BadInput
from estate.ids import ExecutionId
from estate.obligations import Canary, Notify, Obligation, SnapshotFirst
from estate.outcomes import Ending, Outcome, StepResult
from policies.ledger.port import Entry, EntryKind
from tools.execution.notes import Claim, StepNote, Trouble, Wrote


@dataclass(frozen=True, slots=True)
class StepState:
    """How far one step has come, forwards and back."""

    started: bool = False
    applied: bool = False
    failed: StepNote | None = None
    undo_started: bool = False
    undone: bool = False
    undo_failed: StepNote | None = None

    @property
    def stands(self) -> bool:
        """Whether its effect is, or may be, in the world."""
        return not self.undone and (self.applied or (self.failed is not None and self.failed.wrote is not Wrote.NO))


@dataclass(frozen=True, slots=True)
class JournalState:
    """The whole execution."""

    claimed: Claim | None = None
    steps: Mapping[int, StepState] = field(default_factory=dict)
    outcome: Outcome | None = None
    announced: bool = False
    preserved: bool = False
    soaking_since: datetime | None = None
    """When the canary was first seen to hold."""
    soaked: bool = False

    def step(self, number: int) -> StepState:
        """The state of one step; untouched when nothing was noted of it."""
        return self.steps.get(number, StepState())

    @property
    def begun(self) -> bool:
        """Whether any step was ever started."""
        return any(s.started for s in self.steps.values())

    @property
    def failure(self) -> StepNote | None:
        """The note of the step that turned the execution back."""
        return next((s.failed for _, s in sorted(self.steps.items()) if s.failed), None)

    @property
    def stuck(self) -> StepNote | None:
        """The note of the undo that did not happen."""
        return next((s.undo_failed for _, s in sorted(self.steps.items()) if s.undo_failed), None)


@dataclass(frozen=True, slots=True)
class Do:
    """Apply step `number`; `again` when an earlier holder had started it."""

    number: int
    again: bool


@dataclass(frozen=True, slots=True)
class Undo:
    """Undo step `number`; `again` as in `Do`."""

    number: int
    again: bool


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell people before the first step."""


@dataclass(frozen=True, slots=True)
class Preserve:
    """Keep what stands, before the first step."""


@dataclass(frozen=True, slots=True)
class Soak:
    """The canary's steps are applied: look whether they hold, for its time."""

    canary: Canary


@dataclass(frozen=True, slots=True)
class Verify:
    """Every step is applied: look whether the world shows it."""


@dataclass(frozen=True, slots=True)
class Conclude:
    """Nothing is left to do."""


type Move = Announce | Preserve | Do | Undo | Soak | Verify | Conclude


def execution_id(nonce: str) -> ExecutionId:
    """One execution for one nonce, whoever computes it."""
    return ExecutionId(f"exec-{nonce}")


def fold(entries: Iterable[Entry], execution: ExecutionId) -> JournalState:
    """The state of `execution` after its entries, in ledger order. Entries of anything else are passed over."""
    state = JournalState()
    for entry in entries:
        if entry.body.get("execution") == execution:
            state = after(state, entry)
    return state


def after(state: JournalState, entry: Entry) -> JournalState:
    """The state once `entry` is in the ledger. Folding an entry twice changes nothing."""
    match entry.kind:
        case EntryKind.CONSUMED | EntryKind.RESUMED:
            return replace(state, claimed=Claim.read(entry.body))
        case EntryKind.OUTCOME:
            return replace(state, outcome=Outcome.read(entry.body))
        case EntryKind.NOTIFIED:
            return replace(state, announced=True)
        case EntryKind.PRESERVED:
            return replace(state, preserved=True)
        case EntryKind.CANARY_STARTED:
            return replace(state, soaking_since=state.soaking_since or entry.at)
        case EntryKind.CANARY_PASSED:
            return replace(state, soaked=True)
        case (
            EntryKind.STEP_STARTED
            | EntryKind.STEP_APPLIED
            | EntryKind.STEP_FAILED
            | EntryKind.UNDO_STARTED
            | EntryKind.UNDO_APPLIED
            | EntryKind.UNDO_FAILED
        ):
            note = StepNote.read(entry.body)
            return replace(state, steps={**state.steps, note.step: _noted(state.step(note.step), entry.kind, note)})
        case _:
            return state


def _noted(step: StepState, kind: EntryKind, note: StepNote) -> StepState:
    match kind:
        case EntryKind.STEP_STARTED:
            return replace(step, started=True)
        case EntryKind.STEP_APPLIED:
            return replace(step, applied=True)
        case EntryKind.STEP_FAILED:
            return replace(step, failed=step.failed or note)
        case EntryKind.UNDO_STARTED:
            return replace(step, undo_started=True)
        case EntryKind.UNDO_APPLIED:
            return replace(step, undone=True)
        case EntryKind.UNDO_FAILED:
            return replace(step, undo_failed=step.undo_failed or note)
        case _:
            raise BadInput(f"`{kind.value}` is no entry of a step")


def next_move(state: JournalState, count: int, owed: Iterable[Obligation] = ()) -> Move:
    """What to do next in an execution of `count` steps. Forwards until a step fails, then back in reverse order."""
    if state.failure is None:
        return _first(state, tuple(owed)) or _forwards(state, count, tuple(owed))
    if state.stuck is not None:
        return Conclude()
    for number in range(count, 0, -1):
        if state.step(number).stands:
            return Undo(number, again=state.step(number).undo_started)
    return Conclude()


def _first(state: JournalState, owed: tuple[Obligation, ...]) -> Move | None:
    """What is owed before any step."""
    if not state.announced and any(isinstance(o, Notify) for o in owed):
        return Announce()
    if not state.preserved and any(isinstance(o, SnapshotFirst) for o in owed):
        return Preserve()
    return None


def _forwards(state: JournalState, count: int, owed: tuple[Obligation, ...]) -> Move:
    canary = next((o for o in owed if isinstance(o, Canary)), None)
    for number in range(1, count + 1):
        if canary is not None and number == canary.steps + 1 and not state.soaked:
            return Soak(canary)
        if not state.step(number).applied:
            return Do(number, again=state.step(number).started)
    return Verify()


def ending(state: JournalState) -> Ending:
    """How an execution without a next move ended, by its journal alone."""
    if state.failure is None:
        return Ending.VERIFIED
    if state.stuck is not None:
        return Ending.FAILED if state.stuck.trouble is Trouble.FAULT else Ending.HANDED_OVER
    return Ending.ROLLED_BACK if any(s.undone for s in state.steps.values()) else Ending.REFUSED


def results(state: JournalState, count: int) -> tuple[StepResult, ...]:
    """What became of each step, for the outcome."""
    return tuple(_result(number, state.step(number)) for number in range(1, count + 1))


def _result(number: int, step: StepState) -> StepResult:
    note = step.undo_failed or step.failed
    return StepResult(number=number, applied=step.applied, undone=step.undone, message=note.reason if note else "")


def expected(steps: Iterable[Step]) -> tuple[Condition, ...]:
    """What must be true after all of `steps`: of conditions that speak of the same, the last step's counts."""
    return effects.lasting(steps)


def original(steps: Iterable[Step]) -> tuple[Condition, ...]:
    """What was true before all of `steps`: of conditions that speak of the same, the first step's counts."""
    return lasting(c for s in reversed(tuple(steps)) for c in s.preconditions)
