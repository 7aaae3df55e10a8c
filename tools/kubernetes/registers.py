"""The register of warrants in one cluster: written by the gate's own account, read by the cluster's door.

One gate writes it, under its lease; whoever else writes it meanwhile is seen by the version, and what it holds is read
again. What it means stands in `policies.admission.registering`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt

from estate.errors import RetryLater
from estate.ids import Digest
from policies.admission import registering
from policies.admission.registering import REGISTER
from tools.kubernetes import connecting, faults
from tools.kubernetes.connecting import Connection

PATH: Final = f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{REGISTER}"
_ATTEMPTS: Final = 5

type Names = frozenset[str]


@dataclass(slots=True)
class Register:
    """The names in one cluster's register, over a connection as its registrar."""

    connection: Connection
    _held: Names | None = None
    """None: not read yet, or not known any more."""
    _version: str = ""
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Protects both: a write replaces all names."""

    async def put(self, proposal: Digest, places: Iterable[str]) -> None:
        """From now on the writer may write in these places under this proposal's warrant.

        Raises:
            RetryLater: the cluster is out of reach, or its register is not there.
            Denied: these credentials may not write it.
        """
        wanted = registering.names(proposal, places)
        await self._write(lambda held: held | wanted)

    async def keep(self, proposals: Callable[[], Collection[Digest]]) -> None:
        """Strike out everything but the warrants of these, as they are once it is its turn. Raises as `put`."""

        def kept(held: Names) -> Names:
            begins = tuple(registering.owned(p) for p in proposals())
            return frozenset(n for n in held if n.startswith(begins))

        await self._write(kept)

    async def _write(self, change: Callable[[Names], Names]) -> None:
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(faults.Conflicted), stop=stop_after_attempt(_ATTEMPTS), reraise=True
        )
        try:
            async for attempt in retrying:
                with attempt:
                    async with self._turn:
                        await self._written(change)
        except faults.Conflicted as error:
            raise RetryLater(f"the register changes faster than it can be written ({error})") from error
        except faults.NotFound as error:
            remedy = "apply `placet policy export rbac` to the cluster"
            raise RetryLater(f"the cluster has no register of warrants: {remedy}") from error

    async def _written(self, change: Callable[[Names], Names]) -> None:
        if self._held is None:
            self._learn(await self.connection.request("GET", PATH))
        assert self._held is not None
        after = change(self._held)
        if after == self._held:
            return
        body = {"metadata": {"resourceVersion": self._version}, "rules": registering.rules(after)}
        self._held = None  # until the answer says that it was written
        self._learn(await self.connection.request("PATCH", PATH, None, body, content_type=connecting.MERGE))

    def _learn(self, role: Any) -> None:
        found = [n for rule in role.get("rules") or () for n in rule.get("resourceNames") or ()]
        self._held, self._version = frozenset(found), str(role["metadata"]["resourceVersion"])
