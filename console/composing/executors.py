"""The executor process: for each executor that may run here its target, the law once more, and a lease of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agents.observing import telling
from console import profiles
from console.composing import laws
from console.composing.parts import Host, Parts
from console.config import ExecutorSpec
from console.installations import Installation
from console.processes.executor import ExecutorProcess
from console.processes.leasing import Leasing
from console.processes.settings import Standing
from console.processes.watching import keep
from estate.clocks import Clock
from estate.identities import SubjectKind
from estate.progress import Progress, Stage
from estate.subjects import Subjects
from estate.warrants import Warrant
from policies import activations, recording
from policies.bundle import Bundle
from policies.enrolments import Enrolments
from policies.warrants import RingAt
from tools.bus import accounts
from tools.bus.port import Bus
from tools.execution.announcing import announcing
from tools.execution.authority import Law, Trust
from tools.execution.executor import Executor
from tools.execution.hands import Hands, Tell
from tools.execution.recording import Holder
from tools.execution.reserving import WithReservations
from tools.reservations.book import BUCKET, Book

NAME = "executor"


@dataclass(frozen=True, slots=True)
class _Several:
    """Executors beside each other."""

    hosts: tuple[ExecutorProcess, ...]

    async def run(self) -> None:
        await keep(NAME, {h.name: h.run() for h in self.hosts})


async def compose(parts: Parts) -> Host:
    """Every executor of this directory."""
    profile = parts.installation.config.profile
    bundle = await laws.served(lambda: profiles.bundle(profile))
    await activations.check(parts.system.ledger, bundle)
    return _Several(tuple([await _executor(parts, spec, bundle) for spec in parts.installation.executors]))


async def _executor(parts: Parts, spec: ExecutorSpec, bundle: Bundle) -> ExecutorProcess:
    installation, user, ledger = parts.installation, accounts.executor_user(spec.id), parts.system.ledger
    bus = await parts.bus(user)
    standing, inventory = parts.standing(), parts.follower(user, bus)
    holder = Holder(spec.id, installation.subject(SubjectKind.EXECUTOR, spec.id), parts.holder(user))
    law = Law.of(_trust(parts, spec, bundle, standing), installation.clock)
    book = Book(await bus.bucket(BUCKET), installation.clock)
    world = await parts.the_ground().target(spec, inventory)
    target = parts.adapters.target(WithReservations(world, book))
    hands = Hands(target, inventory, installation.clock, announce=announcing(bus, installation.subjects))
    words = _words(bus, installation.subjects, installation.clock)

    def executor(fence: Callable[[], int]) -> Executor:
        return Executor(holder, law, hands, ledger, fence, words)

    return ExecutorProcess(
        audience=spec.id,
        executor=executor,
        bus=bus,
        subjects=installation.subjects,
        standing=standing,
        inventory=inventory,
        ledger=ledger,
        lease=Leasing(bus, user, holder.name),
        clusters=installation.config.clusters_of(spec.id),
    )


def _trust(parts: Parts, spec: ExecutorSpec, bundle: Bundle, standing: Standing) -> Trust:
    return Trust(
        gate_keys=_gate_keys(parts.installation, standing.enrolments),
        ledger=parts.system.ledger,
        audience=spec.id,
        installation=parts.installation.record.id,
        bundle=bundle,
        controls=standing.controls,
        enrolled=standing.enrolments.of_key,
    )


def _gate_keys(installation: Installation, enrolments: Enrolments) -> RingAt:
    """The gate's keys at a time: those it was founded with, and those that administrators put in their place."""
    gate, founding = recording.gate(installation.record.id), installation.ring("gate")
    return lambda at: enrolments.process_ring(gate, founding, at)


def _words(bus: Bus, subjects: Subjects, clock: Clock) -> Callable[[Warrant], Tell]:
    """The executor's words on the progress subject of the warrant's incident."""
    tell = telling(bus, subjects)

    def of(warrant: Warrant) -> Tell:
        async def say(stage: Stage, text: str) -> None:
            await tell(Progress(incident=warrant.incident, at=clock(), stage=stage, text=text))

        return say

    return of
