"""An executor with all it needs, for tests: a memory world and ledger, real signatures, a law that can be told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from estate import canonical
from estate.changes import Change, CordonNode, MoveWorkload, ReplicaMove, SetPowerCap
from estate.conditions import Condition, Miss
from estate.effects import Step
from estate.frozen import FrozenEstate
from estate.identities import Enrolment, SubjectKind
from estate.ids import ExecutorId, IncidentId, KeyId, NodeId, PolicyId, SiteId, WorkloadId
from estate.kept import Kept
from estate.modes import Mode
from estate.notices import Notice
from estate.obligations import Obligation
from estate.proposals import Lane
from estate.results import Refusal, RefusalCode
from estate.snapshots import Snapshot, SnapshotVersion
from estate.things import Thing
from estate.units import Watts
from estate.verdicts import Decision, Dimension, Failure, Verdict
from estate.warrants import PAYLOAD_TYPE, Warrant
from policies import warrants
from policies.keyrings import StaticRing
from policies.ledger.memory import MemoryLedger
from policies.ledger.port import Draft, Entry, EntryKind, Ledger
from policies.recording import issued_key
from policies.redeciding import Again
from policies.signing.memory import MemorySigner
from policies.signing.sealing import seal
from tests import builders
from tests.builders import INSTALLATION, START, TestClock, TestEntropy
from tools.execution.authority import Law
from tools.execution.executor import Executor
from tools.execution.hands import Hands
from tools.execution.memory import MemoryTarget
from tools.execution.patience import Patience
from tools.execution.port import StepKey, Target
from tools.execution.recording import Holder
from tools.inventory.port import Reader

AUDIENCE = ExecutorId("twin")
SIGNER = MemorySigner.generate(TestEntropy("gate"))
RING = StaticRing.of(SIGNER.public_key)
BROKEN = Refusal(code=RefusalCode.FAULT, about="test", message="the write failed")

CAP = SetPowerCap(node=NodeId("eu-a3"), watts=Watts(9_000))
MOVE = MoveWorkload(
    workload=WorkloadId("a-serve"),
    moves=(ReplicaMove(replica=0, source=NodeId("eu-a1"), target=NodeId("eu-a3"), accelerators=(0, 1)),),
)
FENCE = CordonNode(node=NodeId("eu-a1"), reason="xid 79")
THREE: tuple[Change, ...] = (CAP, MOVE, FENCE)


def warrant(*changes: Change, on: FrozenEstate | None = None, **over: Any) -> Warrant:
    """A warrant in force for these changes (a cap, a move and a fence when there are none)."""
    name = canonical.digest(b"a test")
    fields: dict[str, Any] = {
        "installation": INSTALLATION,
        "incident": IncidentId("inc-1"),
        "proposal": name,
        "verdict": name,
        "bundle": name,
        "facts": name,
        "read_set": name,
        "snapshot": builders.version(),
        "site": SiteId("eu-de"),
        "lane": Lane.CASE,
        "steps": builders.steps(*(changes or THREE), on=on),
        "audience": AUDIENCE,
        "issued_at": START,
        "not_before": START,
        "expires_at": START + timedelta(minutes=10),
        "nonce": "0" * 32,
    }
    return Warrant(**(fields | over))


def sealed(given: Warrant, signer: MemorySigner = SIGNER) -> bytes:
    """The envelope that the gate sends."""
    return seal(given.canonical(), PAYLOAD_TYPE, signer)


def key(number: int, *, undo: bool = False) -> StepKey:
    """The key of a step of `warrant`."""
    return StepKey(canonical.digest(b"a test"), number, undo)


async def no_sleep(seconds: float) -> None:
    """Time does not pass."""


class Wrapped:
    """A target around the memory world, for one misbehaviour a subclass adds."""

    def __init__(self, world: MemoryTarget) -> None:
        self.world = world

    async def check(self, conditions: Sequence[Condition]) -> tuple[Miss, ...]:
        return await self.world.check(conditions)

    async def verify(self, conditions: Sequence[Condition], patience: Patience) -> tuple[Miss, ...]:
        return await patience.until(lambda: self.check(conditions), lambda missed: not missed)

    async def rehearse(self, steps: Sequence[Step]) -> Refusal | None:
        return await self.world.rehearse(steps)

    async def preserve(self, things: Sequence[Thing]) -> Sequence[Kept]:
        return await self.world.preserve(things)

    async def apply(
        self, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition] = ()
    ) -> Refusal | None:
        return await self.world.apply(key, change, preconditions)


@dataclass
class LiveReader:
    """An inventory that sees the world as it is, or (`behind`) has not caught up with the gate."""

    world: MemoryTarget
    behind: bool = False

    def newest(self) -> Snapshot:
        return self.world.estate

    async def reached(self, version: SnapshotVersion) -> Snapshot:
        if self.behind:
            raise TimeoutError
        return self.world.estate


@dataclass
class Rig:
    """What one test sets and looks at. Executors made from one rig share its world and its ledger."""

    world: MemoryTarget = field(default_factory=lambda: MemoryTarget(builders.estate()))
    ledger: Ledger = field(default_factory=lambda: MemoryLedger(INSTALLATION, entropy=TestEntropy("salts")))
    clock: TestClock = field(default_factory=TestClock)
    frozen: str | None = None
    decision: Decision = Decision.PERMIT
    mode: Mode = Mode.AUTOMATIC
    undo_objection: str | None = None
    people: dict[KeyId, Enrolment] = field(default_factory=dict)
    undos_judged_on: list[Snapshot] = field(default_factory=list)
    decided_beside: list[Again] = field(default_factory=list)
    reader: Reader | None = None
    sleep: Callable[[float], Awaitable[None]] = no_sleep
    owed: tuple[Obligation, ...] = ()
    """What the executor's own decision says is owed."""
    duties: tuple[Obligation, ...] = ()
    """What the warrant of a test says is owed, where the test leaves that to its case."""
    told: list[Notice] = field(default_factory=list)
    mute: bool = False
    """Whether the executor has no way to tell people."""

    def executor(
        self, name: str = "one", token: int = 1, *, target: Target | None = None, ledger: Ledger | None = None
    ) -> Executor:
        """An executor process of this installation."""
        patience = Patience(attempts=3, looks=3, sleep=self.sleep)
        return Executor(
            Holder(AUDIENCE, builders.subject(name, SubjectKind.EXECUTOR), name),
            self.law(),
            self.hands(target or self.world, patience),
            ledger or self.ledger,
            lambda: token,
        )

    def hands(self, target: Target, patience: Patience) -> Hands:
        """What an executor of this rig acts with."""

        async def announce(notice: Notice) -> None:
            self.told.append(notice)

        reader = self.reader or LiveReader(self.world)
        return Hands(target, reader, self.clock, patience, None if self.mute else announce)

    async def pass_time(self, seconds: float) -> None:
        """A sleep that the clock shows."""
        self.clock.advance(seconds)

    def law(self) -> Law:
        """Real signatures; answers as the test set them, asked anew each time."""
        return Law(
            read_warrant=_signed,
            frozen=lambda warrant, snapshot: self.frozen,
            decide_again=self._verdict,
            undo_objection=self._objection,
            enrolled=self.people.get,
        )

    def _objection(self, inverse: Change, snapshot: Snapshot) -> str | None:
        self.undos_judged_on.append(snapshot)
        return self.undo_objection

    def _verdict(self, given: Warrant, snapshot: Snapshot, again: Again) -> Verdict:
        self.decided_beside.append(again)
        failures = () if self.decision is Decision.PERMIT else (FAILURE,)
        return Verdict(
            installation=given.installation,
            incident=given.incident,
            proposal=given.proposal,
            site=given.site,
            lane=given.lane,
            decision=self.decision,
            policies=(),
            failures=failures,
            mode=self.mode,
            snapshot=snapshot.version,
            bundle=given.bundle,
            facts=given.facts,
            read_set=given.read_set,
            decided_at=self.clock(),
            obligations=self.owed,
        )

    async def issued(self, given: Warrant) -> bytes:
        """The envelope that the gate sends, once the ledger says so."""
        envelope, by = sealed(given), builders.subject("gate", SubjectKind.GATE)
        body: dict[str, Any] = {"envelope": envelope.decode()}
        await self.ledger.append(Draft(EntryKind.ISSUED, self.clock(), by, body, issued_key(given.proposal)))
        return envelope

    async def entries(self) -> list[Entry]:
        """Everything in the ledger."""
        return [e async for e in self.ledger.entries()]

    async def story(self) -> list[str]:
        """The journal in short: the kind of each entry, with its step."""
        return [f"{e.kind.value} {e.body.get('step', '')}".strip() for e in await self.entries()]

    async def count(self, kind: EntryKind) -> int:
        """How many entries of one kind there are."""
        return sum(1 for e in await self.entries() if e.kind is kind)

    def step_keys(self, *numbers: int, undo: bool = False) -> list[str]:
        """The keys of these steps as the world remembers them."""
        return [str(key(n, undo=undo)) for n in numbers]


async def _signed(envelope: bytes) -> Warrant:
    """Whether the ledger holds what was issued is asked where a real gate issues it."""
    return warrants.read_warrant(envelope, RING, AUDIENCE, INSTALLATION)


FAILURE = Failure(
    dimension=Dimension.POWER,
    policy=PolicyId("rack-power"),
    about="rack/eu-a",
    needed="1 W",
    found="0 W",
    remedy="wait",
    reason="the rack has no power left",
)


def content(estate: FrozenEstate) -> tuple[object, ...]:
    """What an estate holds, whatever its version."""
    return (tuple(estate.nodes()), tuple(estate.workloads()))


def after(steps: tuple[Step, ...], before: FrozenEstate) -> FrozenEstate:
    """The estate that these steps lead to."""
    running: Snapshot = before
    for step in steps:
        result = step.change.effect(running)
        assert not isinstance(result, Refusal), result
        running = result.value
    assert isinstance(running, FrozenEstate)
    return running
