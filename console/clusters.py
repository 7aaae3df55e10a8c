"""Connections to the clusters of an installation, each proven to be who it is called before it is used.

Called by `console.bootstrap` for the inventory (readers) and for each executor (writers), and by `placet doctor`. A
reader that could write is refused: RBAC is the guarantee that only the executor writes, and this looks whether it
holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog

from console.config import Cluster, Config, Credentials
from estate.errors import BadInput, Denied
from estate.ids import ClusterId, ExecutorId, Uid
from tools.kubernetes import identifying, reviewing
from tools.kubernetes.connecting import Access, Connection
from tools.kubernetes.reviewing import Part, Row

log = structlog.get_logger(__name__)


async def readers(config: Config, stack: AsyncExitStack) -> dict[ClusterId, Connection]:
    """A connection to each cluster that may read and nothing else; closed by the stack.

    Raises:
        Denied: one of them can write, or read secrets.
        BadInput: a cluster has no reader, or its credentials cannot be read.
        RetryLater: an API server does not answer.
    """
    opened = {c.id: await _opened(_reader(c), stack) for c in config.clusters}
    for cluster, connection in opened.items():
        refuse_writer(cluster, await reviewing.review(connection, Part.READER))
    return opened


async def writers(config: Config, executor: ExecutorId, stack: AsyncExitStack) -> dict[ClusterId, Connection]:
    """A connection to each cluster that this executor writes; closed by the stack. Raises BadInput."""
    ours = [c for c in config.clusters if c.writer is not None and config.executor_of(c.id) == executor]
    return {c.id: await _opened(c.writer, stack) for c in ours if c.writer is not None}


def refuse_writer(cluster: ClusterId, rows: Sequence[Row]) -> None:
    """Raises Denied when these are the rights of more than a reader."""
    beyond = reviewing.reader_can_write(rows)
    if beyond:
        named = ", ".join(str(r.access) for r in beyond[:3])
        more = f" and {len(beyond) - 3} more" if len(beyond) > 3 else ""
        raise Denied(
            f"the reader of cluster `{cluster}`, `{beyond[0].who}`, may {named}{more}; give it no more than "
            "`placet policy export rbac` says"
        )
    if lacking := [r for r in rows if r.expected and not r.found]:
        log.warning("reader may not read everything", cluster=cluster, lacking=[str(r.access) for r in lacking])


def _reader(cluster: Cluster) -> Credentials:
    if cluster.reader is None:
        raise BadInput(f"clusters.{cluster.id}: no `reader`; name the kubeconfig by which it is read")
    return cluster.reader


@dataclass(frozen=True, slots=True)
class Account:
    """One of the two accounts in a cluster: the cluster that answers to it, and what it may do there."""

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


async def account(credentials: Credentials, part: Part) -> Account:
    """Ask the API server what these credentials may do. Nothing is changed.

    Raises:
        BadInput: they cannot be read.
        Denied, RetryLater, NeverRetry: as the API server answers, or does not.
    """
    async with AsyncExitStack() as stack:
        connection = await _opened(credentials, stack)
        return Account(await identifying.cluster_uid(connection), await reviewing.review(connection, part))


async def _opened(credentials: Credentials, stack: AsyncExitStack) -> Connection:
    access = Access(credentials.kubeconfig, credentials.context)
    return await stack.enter_async_context(await Connection.open(access))
