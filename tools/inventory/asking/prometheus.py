"""Prometheus over its HTTP API: every series that `telemetry.tables` knows, with the samples' own times.

Series are asked for as ranges, so that a sample is as old as it is: an instant vector would carry the time of the query
and hide for minutes that a target is gone. Percentiles are worked out by Prometheus, which has the history.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import batched

import httpx

from estate.clocks import Clock
from estate.errors import BadInput, RetryLater
from tools.inventory.asking import answers, passwords
from tools.inventory.asking.rounds import AskingSource, Target
from tools.inventory.asking.settings import PrometheusServer
from tools.inventory.port import Heard, Observed
from tools.payloads.facts.readings import Readings
from tools.payloads.parsed import Fault
from tools.payloads.telemetry import answers as telemetry
from tools.payloads.telemetry import tables
from tools.payloads.telemetry.series import Target as Sender

_AT_ONCE = 16
"""Names in one query, so that no answer of a large fleet is too large."""
_OF_A_SERVER = "le, namespace, pod, instance, model_name"
PERCENTILES: Mapping[str, str] = {
    "placet:first_token_seconds:p95": "vllm:time_to_first_token_seconds_bucket",
    "placet:per_token_seconds:p95": "vllm:inter_token_latency_seconds_bucket",
}
"""Which histogram a percentile is of."""


class PrometheusSource(AskingSource[PrometheusServer]):
    """Asks several servers."""

    kind = "prometheus"

    async def watch(self) -> AsyncGenerator[Observed]:
        """Each server's answers, until closed."""
        async with AsyncExitStack() as stack:
            talks = [await self._talk(stack, s) for s in self.targets]
            targets = {t.server.id: Target(t.round, self.paced(t.server)) for t in talks}
            watching = self.rounds(targets)
            stack.push_async_callback(watching.aclose)
            async for observed in watching:
                yield observed

    async def _talk(self, stack: AsyncExitStack, server: PrometheusServer) -> _Talk:
        made = answers.client(server.url, verify=server.trust, timeout=server.timeout_seconds)
        http = await stack.enter_async_context(made)
        return _Talk(server, http, self.kind, self.clock)


@dataclass(frozen=True, slots=True)
class _Talk:
    """The conversation with one server."""

    server: PrometheusServer
    http: httpx.AsyncClient
    source: str
    clock: Clock
    memories: dict[str, telemetry.Memory] = field(default_factory=dict)
    """What each query's series mean."""

    async def round(self) -> Heard:
        """Everything that it knows now.

        Raises:
            RetryLater, Denied, NeverRetry: it does not answer, or refuses a query.
        """
        readings: list[Readings] = []
        faults: list[Fault] = []
        for name, query in queries(self.server.window_seconds, self.server.jobs):
            try:
                memory = self.memories.setdefault(query, self._memory())
                parsed = memory.read(await self._ask(query), name)
            except BadInput as error:
                raise RetryLater(f"`{self.server.url}` gave no answer that can be read: {error}") from error
            faults += parsed.faults
            readings += [parsed.readings] if len(parsed.readings) else []
        return Heard(self.server.id, self.clock(), readings=tuple(readings), faults=tuple(faults))

    async def _ask(self, query: str) -> bytes:
        token = await asyncio.to_thread(passwords.read, self.server.token_file)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        request = self.http.build_request("POST", "/api/v1/query", data={"query": query}, headers=headers)
        return await answers.body(self.http, request, telemetry.LARGEST)

    def _memory(self) -> telemetry.Memory:
        return telemetry.Memory(f"{self.source}/{self.server.id}", Sender(cluster=self.server.cluster or ""))


def queries(window_seconds: int, jobs: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """What a round asks: the name that the samples take (empty: their own), and the query. Only of `jobs`, if any."""
    chosen = f'job=~"{_either(jobs)}"' if jobs else ""
    for names in batched(sorted(n for n in tables.SERIES if n not in PERCENTILES), _AT_ONCE, strict=False):
        labels = ",".join(filter(None, (f'__name__=~"{_either(names)}"', chosen)))
        yield "", f"{{{labels}}}[{window_seconds}s]"
    for name, buckets in PERCENTILES.items():
        rates = f"rate({buckets}{{{chosen}}}[{max(window_seconds, 60) * 5}s])"
        yield name, f"histogram_quantile(0.95, sum by ({_OF_A_SERVER}) ({rates}))"


def _either(names: Sequence[str]) -> str:
    """A regular expression of one of these names, as a string of PromQL holds it."""
    return "|".join(re.escape(n) for n in names).replace("\\", "\\\\")
