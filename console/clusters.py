"""Connections to the clusters of an installation, each proven to be who it is called before it is used.

Called for the inventory (readers), for each executor (writers), for the gate (registrars), and by `placet doctor`. A
reader that could write is refused, when Placet starts or when its cluster comes into reach: RBAC is the guarantee that
only the executor writes, and this looks whether it holds.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from console.config import Cluster, Config, Credentials
from estate.errors import BadInput, Denied, RetryLater
from estate.ids import ClusterId, ExecutorId, Uid
from policies.admission.grants import NAMESPACES
from tools.inventory.kubernetes.source import KubernetesSource
from tools.kubernetes import identifying, reviewing
from tools.kubernetes.connecting import Access, Connection
from tools.kubernetes.registers import Register
from tools.kubernetes.reviewing import Part, Row

log = structlog.get_logger(__name__)

_TOLD_EACH: Final = 250
"""Namespaces."""


async def readers(config: Config, stack: AsyncExitStack) -> dict[ClusterId, Connection]:
    """A connection to each cluster as its reader, not proven yet; closed by the stack.

    Raises:
        BadInput: a cluster has no reader, or its credentials cannot be read.
    """
    return {c.id: await _opened(_reader(c), stack) for c in config.clusters}


async def prove_reader(cluster: ClusterId, connection: Connection) -> None:
    """Ask the API server whether these credentials may read and nothing else.

    Raises:
        Denied: they can write, or read secrets; or nobody can know.
        RetryLater: the API server does not answer.
    """
    told = partial(_told, cluster, Part.READER)
    refuse_writer(cluster, await reviewing.review(connection, Part.READER, told=told))


async def recognised(sources: Sequence[KubernetesSource]) -> None:
    """Look once at each cluster before anything starts. One that is out of reach is left to its source, which looks
    again before it takes anything in.

    Raises:
        Denied: one is another cluster than facts name, or its reader can write.
        RetryLater: none of them answers.
    """
    silent: list[RetryLater] = []
    for source in sources:
        try:
            await source.recognise()
        except RetryLater as error:
            log.error("cluster is out of reach at the start", cluster=source.cluster, error=str(error))
            silent.append(error)
    if silent and len(silent) == len(sources):
        raise silent[0]


async def writers(config: Config, executor: ExecutorId, stack: AsyncExitStack) -> dict[ClusterId, Connection]:
    """A connection to each cluster that this executor writes; closed by the stack. Raises BadInput."""
    ours = [c for c in config.clusters if c.writer is not None and config.executor_of(c.id) == executor]
    return {c.id: await _opened(c.writer, stack) for c in ours if c.writer is not None}


async def registers(config: Config, stack: AsyncExitStack) -> dict[ClusterId, Register]:
    """The register of each cluster that has a registrar, over connections closed by the stack. Raises BadInput."""
    ours = [(c.id, c.registrar) for c in config.clusters if c.registrar is not None]
    return {cluster: Register(await _opened(credentials, stack)) for cluster, credentials in ours}


def refuse_writer(cluster: ClusterId, rows: Sequence[Row]) -> None:
    """Raises Denied when these are the rights of more than a reader, or may be."""
    beyond = reviewing.reader_can_write(rows)
    if beyond:
        named = ", ".join(str(r) for r in beyond[:3])
        more = f" and {len(beyond) - 3} more" if len(beyond) > 3 else ""
        raise Denied(
            f"the reader of cluster `{cluster}`, `{beyond[0].who}`, may {named}{more}; give it no more than "
            "`placet policy export rbac` says"
        )
    if any(r.access == NAMESPACES and not r.found for r in rows):
        raise Denied(
            f"the reader of cluster `{cluster}`, `{rows[0].who}`, may not {NAMESPACES}, so that nobody knows what it "
            "may write in single ones; give it what `placet policy export rbac` says"
        )
    if lacking := [r for r in rows if r.expected and not r.found]:
        log.warning("reader may not read everything", cluster=cluster, lacking=[str(r.access) for r in lacking])


def _reader(cluster: Cluster) -> Credentials:
    if cluster.reader is None:
        raise BadInput(f"clusters.{cluster.id}: no `reader`; name the kubeconfig by which it is read")
    return cluster.reader


@dataclass(frozen=True, slots=True)
class Account:
    """One of the accounts in a cluster: the cluster that answers to it, and what it may do there."""

    uid: Uid
    rows: tuple[Row, ...]

    @property
    def who(self) -> str:
        """The name that the API server knows it by."""
        return self.rows[0].who

    @property
    def faults(self) -> tuple[Row, ...]:
        """The accesses that are not as the roles say."""
        return tuple(r for r in self.rows if not r.well)


async def account(
    credentials: Credentials, part: Part, cluster: ClusterId, spaces: Collection[str] | None = None
) -> Account:
    """Ask the API server what these credentials may do, `spaces` being the tenants' namespaces. Nothing is changed.

    Raises:
        BadInput: they cannot be read.
        Denied, RetryLater, NeverRetry: as the API server answers, or does not.
    """
    async with AsyncExitStack() as stack:
        connection = await _opened(credentials, stack)
        uid = await identifying.cluster_uid(connection)
        return Account(uid, await reviewing.review(connection, part, spaces, partial(_told, cluster, part)))


def _told(cluster: ClusterId, part: Part, done: int, of: int) -> None:
    """A cluster of thousands of namespaces keeps nobody waiting in silence."""
    if done % _TOLD_EACH == 0 and done < of:
        log.info("reviewing rights in each namespace", cluster=cluster, account=part.value, asked=done, of=of)


async def _opened(credentials: Credentials, stack: AsyncExitStack) -> Connection:
    access = Access(credentials.kubeconfig, credentials.context)
    return await stack.enter_async_context(await Connection.open(access))
