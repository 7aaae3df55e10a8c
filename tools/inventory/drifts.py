"""The open drifts of an installation: kept in a bucket that every process may read, each told once as an event.

The inventory's writer calls `Keeper` with what changed; console and agents read through `Drifts`. A drift that is seen
again (a list, a restart) is not told again; one that is otherwise by now is; one that is gone is told as resolved.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import orjson
import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from estate import canonical
from estate.clocks import Clock
from estate.drifts import Basis, Drift
from estate.errors import BadInput, RetryLater
from estate.ids import ChannelId, Digest
from estate.records import write_time
from estate.subjects import Subjects
from estate.things import ThingKind
from tools.bus.port import Bucket, Bus

BUCKET = "drifts"
ESTATE = ""
"""In the place of a cluster: what is found of the estate, beside what sources find of a cluster's objects."""
_OF_ESTATE = frozenset({Basis.ESTATE_FILE, Basis.FACTS, Basis.TEMPLATE})
CHANNEL = ChannelId("inventory")
"""The channel of the inventory's own events; its credential is the process's."""
FORMAT = "cloudevents"
_LONGEST = 1800

log = structlog.get_logger(__name__)


class Drifts:
    """Typed access to the bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    @classmethod
    async def open(cls, bus: Bus) -> Drifts:
        """The bucket of this installation's bus."""
        return cls(await bus.bucket(BUCKET))

    async def every(self) -> tuple[Drift, ...]:
        """Every open drift, by thing and path. As many reads as there are drifts: for people and cases."""
        drifts = [Drift.read(stored.value) for stored in await self._bucket.values()]
        return tuple(sorted(drifts, key=lambda d: (str(d.about), d.path, d.basis)))

    async def put(self, drift: Drift) -> None:
        """Keep an open drift."""
        await self._bucket.put(_key(drift.key), drift.canonical())

    async def remove(self, key: Digest) -> None:
        """Forget one that is gone."""
        await self._bucket.delete(_key(key))


class Keeper:
    """Holds the bucket to what sources say, and tells each change. One task alone calls it."""

    def __init__(self, bus: Bus, subjects: Subjects, clock: Clock) -> None:
        self._bus = bus
        self._subject = subjects.intake(CHANNEL, FORMAT)
        self._clock = clock
        self._drifts: Drifts | None = None
        self._open: defaultdict[tuple[str, str], dict[Digest, Drift]] = defaultdict(dict)
        """By cluster and what people call the thing."""

    async def take(self, cluster: str, found: Mapping[str, Iterable[Drift]], *, whole: bool = False) -> None:
        """What a source says of things of a cluster; `whole`: of all of them. Waits out a bus that is down."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(RetryLater),
            wait=wait_random_exponential(multiplier=0.1, max=2),
            reraise=True,
        )
        at = self._clock()
        async for attempt in retrying:
            with attempt:
                await self._take(cluster, found, at, whole=whole)

    async def _take(self, cluster: str, found: Mapping[str, Iterable[Drift]], at: datetime, *, whole: bool) -> None:
        drifts = await self._loaded()
        gone = (called for c, called in list(self._open) if whole and c == cluster and called not in found)
        for called, told in (*found.items(), *((called, ()) for called in gone)):
            held, now = self._open[cluster, called], {d.key: d for d in told}
            for key, drift in now.items():
                if key not in held or held[key].says != drift.says:
                    await self._tell(drift, at, resolved=False)
                    await drifts.put(drift)
                    held[key] = drift
            for key in [k for k in held if k not in now]:
                await self._tell(held[key], at, resolved=True)
                await drifts.remove(key)
                del held[key]
            if not held:  # things come and go for as long as this process lives
                del self._open[cluster, called]

    async def _loaded(self) -> Drifts:
        """The bucket; what it holds when this process starts was told by the one before."""
        if self._drifts is None:
            drifts = await Drifts.open(self._bus)
            for drift in await drifts.every():
                self._open[_place(drift)][drift.key] = drift
            self._drifts = drifts
        return self._drifts

    async def _tell(self, drift: Drift, at: datetime, *, resolved: bool) -> None:
        body = event(drift, resolved=resolved, at=at)
        log.info("drift resolved" if resolved else "drift found", about=str(drift.about), path=drift.path)
        await self._bus.publish(self._subject, orjson.dumps(body), message_id=str(body["id"]))


def _place(drift: Drift) -> tuple[str, str]:
    """Where whoever found it keeps it: things of the estate by what they are, objects by what people call them."""
    of_estate = drift.basis in _OF_ESTATE
    return (ESTATE, str(drift.about)) if of_estate else (str(drift.cluster or ""), drift.called)


def event(drift: Drift, *, resolved: bool, at: datetime) -> dict[str, object]:
    """The CloudEvent that tells a drift, or its end. Its id follows from both and the moment, so that a repeated
    publication is one event, and the same drift next week another.
    """
    said = canonical.digest_of([drift.json_form(), resolved, write_time(at)])
    node = drift.about.id if drift.about.kind is ThingKind.NODE else ""
    where = {"cluster": str(drift.cluster or "")} | _named(drift, node)
    return {
        "specversion": "1.0",
        "id": said.removeprefix("sha256:"),
        "source": f"inventory/{drift.cluster or 'facts'}",
        "type": f"placet.{drift.matter.event.value}.v1",
        "time": at.astimezone(UTC).isoformat(),
        "data": {
            "severity": drift.matter.severity.value,
            "code": f"drift-{drift.matter.value}",
            "message": canonical.clean_text(drift.told(), _LONGEST),
            "resolved": resolved,
            "whereabouts": {k: v for k, v in where.items() if v},
        },
    }


def _named(drift: Drift, node: str) -> dict[str, str]:
    """The names by which intake finds the thing: a node's and a workload's own names in their cluster."""
    name = drift.called.partition(" ")[2].rpartition("/")[2]
    match drift.about.kind:
        case ThingKind.NODE:
            return {"node_name": name or node}
        case ThingKind.WORKLOAD:
            return {"namespace": drift.namespace, "workload": name}
        case _:
            return {"namespace": drift.namespace}


def _key(key: Digest) -> str:
    figures = key.removeprefix("sha256:")
    if not figures.isalnum():
        raise BadInput(f"`{key}` is no digest of a drift")
    return figures
