"""The executor process: warrants from the streams into the executor, outcomes out of it, under one lease.

The lease's token fences every entry of the journal, so that an executor that was replaced and does not know it yet
writes nothing more. Whoever takes the lease finishes what the last holder left before it takes new cases, for a while
at least; fences never wait for that, which on a cluster may take as long as somebody's disruption budget does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from console.processes.leasing import Fence, Leasing
from console.processes.settings import Standing
from console.processes.watching import keep
from estate.errors import Denied, NeverRetry, RetryLater
from estate.ids import ClusterId, ExecutorId
from estate.outcomes import Outcome
from estate.proposals import Lane
from estate.subjects import Subjects
from policies.ledger.port import Fenced, Ledger
from tools.bus import streams
from tools.bus.port import Bus, ConsumerSpec, Delivery
from tools.bus.precedence import Precedence
from tools.execution.executor import Executor
from tools.inventory.follower import Follower

OLD_FIRST_SECONDS = 30.0
"""How long new cases wait for what the last holder left: a canary that soaks for hours is not waited for."""


def consumers(
    subjects: Subjects, audience: ExecutorId, clusters: tuple[ClusterId, ...] = ()
) -> tuple[ConsumerSpec, ...]:
    """One durable consumer for each lane: no backlog of cases delays a fence. And one for the fences of each cluster,
    where there are several: an API server that takes requests and never answers holds up its own fences alone.
    """
    each = tuple(_consumer(subjects, lane, audience) for lane in Lane)
    fences = (_consumer(subjects, Lane.CONTAINMENT, audience, cluster) for cluster in clusters)
    return (*each, *fences) if len(clusters) > 1 else each


def _consumer(subjects: Subjects, lane: Lane, audience: ExecutorId, cluster: ClusterId | None = None) -> ConsumerSpec:
    name = f"executor-{audience}-{lane.value}"
    return ConsumerSpec(
        streams.warrants(lane),
        name if cluster is None else f"{name}-{cluster}",
        (subjects.warrant(lane, audience, cluster),),
        concurrency=8,
        precedence=Precedence.TAKES if lane is Lane.CONTAINMENT else Precedence.GIVES,
    )


@dataclass(frozen=True, slots=True)
class ExecutorProcess:
    """One executor on one connection."""

    audience: ExecutorId
    executor: Callable[[Fence], Executor]
    bus: Bus
    subjects: Subjects
    standing: Standing
    inventory: Follower
    ledger: Ledger
    lease: Leasing
    clusters: tuple[ClusterId, ...] = ()
    """Those that it writes; none for a twin."""

    @property
    def name(self) -> str:
        """What the process is called in logs and leases."""
        return f"executor-{self.audience}"

    async def run(self) -> None:
        """Until cancelled, until a task ends, or until another holder took the lease."""
        await keep(
            self.name,
            {
                "inventory": self.inventory.run(),
                "settings": self.standing.follow(self.bus, self.subjects),
                "execute": self._execute(),
            },
        )

    async def _execute(self) -> None:
        await self.standing.load(self.ledger)
        await self.inventory.ready()
        await self.lease.hold(self.obey)

    async def obey(self, fence: Fence) -> None:
        """Act under a lease that is held, until cancelled: fences at once, cases once the old ones are finished."""
        executor = self.executor(fence)

        async def on_warrant(delivery: Delivery) -> None:
            await self._carry_out(executor, delivery.data)

        resumed = asyncio.Event()

        async def resume() -> None:
            await executor.resume_all(self._publish)
            resumed.set()
            await asyncio.Event().wait()

        async def consume(spec: ConsumerSpec) -> None:
            if spec.stream == streams.warrants(Lane.CASE):
                with suppress(TimeoutError):
                    await asyncio.wait_for(resumed.wait(), OLD_FIRST_SECONDS)
            await self.bus.consume(spec, on_warrant)

        specs = consumers(self.subjects, self.audience, self.clusters)
        owed = {"resume": resume(), "aftercare": executor.aftercare.run(self._publish)}
        await keep(self.name, {**{spec.name: consume(spec) for spec in specs}, **owed})

    async def _carry_out(self, executor: Executor, envelope: bytes) -> None:
        try:
            outcome = await executor.execute(envelope)
        except Denied as error:
            raise NeverRetry(str(error)) from error
        except Fenced as error:
            raise RetryLater(f"another holder has taken over: {error}") from error
        await self._publish(outcome)

    async def _publish(self, outcome: Outcome) -> None:
        subject = self.subjects.outcome(outcome.site, outcome.ending)
        await self.bus.publish(subject, outcome.canonical(), message_id=outcome.digest)
