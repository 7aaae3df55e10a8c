"""What the credentials of a first contact may do, as the API server itself answers. Called by `contact.meeting`.

Each question is a POST of a SelfSubject…Review: it asks about oneself and keeps nothing, but an audit log shows it as
a create. Whoever wants none of it in theirs leaves the questions out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from estate.records import Model
from tools.kubernetes import reviewing
from tools.kubernetes.connecting import Connection
from tools.kubernetes.reviewing import Part


class Rights(Model):
    """What the credentials may do beyond a reader, and what a reader needs and they lack."""

    who: str
    questions: int
    """How many were sent."""
    reads: int
    """Pages of namespaces, in each of which was asked."""
    beyond: tuple[str, ...]
    lacking: tuple[str, ...]

    @property
    def reader(self) -> bool:
        """Whether `placet run` would take them for a reader."""
        return not self.beyond

    @property
    def suffices(self) -> bool:
        """Whether they are a reader's and miss nothing that a reader needs."""
        return not (self.beyond or self.lacking)


async def rights(connection: Connection) -> Rights:
    """Ask the API server about these credentials. Raises RetryLater and Denied as the connection does."""
    counted = _Counted(connection)
    rows = await reviewing.review(counted, Part.READER)
    return Rights(
        who=rows[0].who,
        questions=counted.requests["POST"],
        reads=counted.requests["GET"],
        beyond=tuple(str(r) for r in reviewing.reader_can_write(rows)),
        lacking=tuple(str(r.access) for r in rows if r.expected and not r.found),
    )


@dataclass(slots=True)
class _Counted:
    """A connection of which is known how often it was asked."""

    connection: Connection
    requests: Counter[str] = field(default_factory=Counter)

    async def request(
        self, method: str, path: str, query: Mapping[str, str | int | bool] | None = None, body: Any = None
    ) -> Mapping[str, Any]:
        self.requests[method] += 1
        return await self.connection.request(method, path, query, body)
