"""Makes what an installation needs on its NATS server, with the administrator's connection.

Called by `console.bootstrap` before any other process connects: their users may make nothing themselves.
"""

from __future__ import annotations

from collections.abc import Iterable

from estate.subjects import Subjects
from tools.bus import streams
from tools.bus.nats import NatsBus
from tools.bus.port import ConsumerSpec


async def provision(bus: NatsBus, subjects: Subjects, consumers: Iterable[ConsumerSpec]) -> None:
    """Declare every stream, bucket and durable consumer; doing it again changes nothing.

    Raises:
        NotAllowed: `bus` is not the administrator's.
        NeverRetry: two consumers of a work queue overlap.
    """
    await bus.declare(*streams.streams(subjects))
    for name in streams.BUCKETS:
        await bus.bucket(name)
    await bus.prepare(*consumers)
