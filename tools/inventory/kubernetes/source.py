"""`KubernetesSource`: one cluster as a `tools.inventory.port.Source`.

Paired with the inventory's writer by the composition root. It reads and never writes. It takes nothing in from a
cluster that is not the one facts name, and stops with `Denied` when the cluster behind the connection becomes another.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import structlog

from estate.errors import PlacetError
from estate.ids import ClusterId
from estate.law import Facts
from tools.drift.schemas import Schemas
from tools.inventory.kubernetes.accompanying import Accompanying
from tools.inventory.kubernetes.declaring import Repository
from tools.inventory.kubernetes.following import Following, Pace
from tools.inventory.kubernetes.modelling import ClusterModel
from tools.inventory.port import Observed
from tools.kubernetes import discovering, naming, resources
from tools.kubernetes.connecting import Connection

log = structlog.get_logger(__name__)


class KubernetesSource:
    """Watches nodes, pods, their controllers and disruption budgets of one cluster; and, where it serves them, leases,
    events of nodes, devices that are allocated by name, virtual machines, and the clusters that it manages.
    """

    def __init__(
        self,
        connection: Connection,
        cluster: ClusterId,
        facts: Callable[[], Facts],
        pace: Pace | None = None,
        proof: Callable[[], Awaitable[None]] | None = None,
        declared: Iterable[Path] = (),
    ) -> None:
        """`facts` gives the law base in force now; the connection is closed by whoever opened it. Before anything is
        taken in, `proof` looks once whether these are the credentials of a reader, and raises where they are not.
        `declared` are files of objects that should be there, or folders of them.
        """
        self._proof = proof
        self._proving = asyncio.Lock()  # protects `_proof`: of many kinds that are followed at once, one proves for all
        self._connection = connection
        self._cluster = cluster
        self._newest_facts = facts
        self._facts = facts()
        self._pace = pace or Pace()
        self._model = ClusterModel(self.name, cluster, self._facts)
        self._repository = Repository(declared)
        if self._repository.paths:
            self._model.declare({})  # what is listed before the files are read is kept, to be compared then
        self._changed = asyncio.Event()
        self._described = False

    @property
    def name(self) -> str:
        """What observations say they are from."""
        return f"kubernetes/{self._cluster}"

    @property
    def cluster(self) -> ClusterId:
        """See the port."""
        return self._cluster

    @property
    def kept_out(self) -> Mapping[str, str]:
        """The objects that cannot be read, each with the reason."""
        return self._model.refused

    async def recognise(self) -> None:
        """Check that the API server answers for the cluster that facts name, and to whom it answers.

        Raises:
            Denied: it does not, or to more than a reader; nothing of it is taken in.
            RetryLater: it does not answer at all.
        """
        form = await self._connection.request("GET", resources.IDENTITY)
        about = form.get("metadata")
        uid = about.get("uid") if isinstance(about, dict) else None
        naming.recognise(self._newest_facts(), self._cluster, str(uid))
        async with self._proving:
            if self._proof is not None:
                await self._proof()
                self._proof = None

    async def watch(self) -> AsyncGenerator[Observed]:
        """First everything (`whole`), then each batch of changes, until closed. One at a time.

        Raises:
            Denied: it is another cluster than facts name, or the credentials may not read it.
            NeverRetry: the API server does not know a kind that Placet must read.
        """
        kinds = [self._following(kind) for kind in resources.WATCHED]
        beside = self._accompanying()
        # A task of its own: a task group that a generator holds open would cancel whoever iterates, not the generator.
        running = asyncio.create_task(self._follow(kinds, beside), name=f"{self.name}-following")
        running.add_done_callback(lambda _: self._changed.set())
        try:
            await self._learn()
            await self._look()
            while not (all(kind.listed for kind in kinds) and beside.settled):
                await self._wakes(running)
            self._model.listen()
            await self._work_out()
            log.info("cluster listed", source=self.name, kept_out=len(self.kept_out))
            yield self._model.everything()
            while True:
                await self._wakes(running)
                self._model.listen()
                renewed = self._obeys_newest()
                await self._learn()
                await self._look()
                await self._work_out()
                found = self._model.everything() if renewed else self._model.take()
                if found.whole or found != Observed(self.name, cluster=self._cluster):
                    yield found
        finally:
            running.cancel()
            await asyncio.wait([running])

    async def _learn(self) -> None:
        """Read the shapes of the kinds. Nothing is told of drift until the cluster has told them."""
        if self._described:
            return
        try:
            told = await discovering.documents(self._connection, {k.api_version for k in resources.WATCHED})
        except PlacetError as error:
            log.warning("kinds not described", source=self.name, error=str(error))
            return
        self._model.learn(Schemas(told))
        self._described = True

    async def _look(self) -> None:
        """Hold what is there to what files declare now."""
        found = await self._repository.news(time.monotonic())
        if found is not None:
            self._model.declare(found.objects)
            left = ", ".join(sorted(found.left_out)) or "none"
            log.info("declared objects read", source=self.name, objects=len(found.objects), kinds_left_out=left)

    def _following(self, kind: resources.Resource) -> Following:
        return Following(kind, self._connection, self._model, self._pace, self.recognise, self._changed.set)

    def _accompanying(self) -> Accompanying:
        return Accompanying(
            name=self.name,
            kinds=resources.COMPANIONS,
            connection=self._connection,
            model=self._model,
            pace=self._pace,
            follow=self._following,
            changed=self._changed.set,
        )

    async def _follow(self, kinds: list[Following], beside: Accompanying) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(beside.run(), name=f"{self.name}-companions")
                for kind in kinds:
                    group.create_task(kind.run(), name=f"{self.name}-{kind.resource.plural}")
        except ExceptionGroup as ended:
            raise ended.exceptions[0] from ended

    async def _wakes(self, running: asyncio.Task[None]) -> None:
        """Wait until something changed (and for what comes with it), or it is time to look at the facts."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), self._pace.facts)
            self._changed.clear()
            await asyncio.sleep(self._pace.batch)
        if running.done():
            running.result()

    def _obeys_newest(self) -> bool:
        """Whether other facts came into force; the model is then read anew under them."""
        facts = self._newest_facts()
        if facts is self._facts or facts.facts_digest == self._facts.facts_digest:
            return False
        self._facts = facts
        self._model.obey(facts)
        return True

    async def _work_out(self) -> None:
        more = True
        while more:
            more = self._model.settle(self._pace.slice)
            await asyncio.sleep(0)
