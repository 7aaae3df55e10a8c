"""What the reader of a payload knows and the payload does not say: from whom it is, of which host, read when.

It travels as headers, as intake carries them: `placet-source`, `placet-host`, `placet-cluster`, `placet-at`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tools.payloads import reading
from tools.payloads.facts.statements import Witness
from tools.payloads.parsed import Headers
from tools.payloads.telemetry.series import Target

SOURCE, HOST, CLUSTER, AT = "placet-source", "placet-host", "placet-cluster", "placet-at"


@dataclass(frozen=True, slots=True)
class Context:
    """The reader's own knowledge."""

    source: str
    host: str = ""
    cluster: str = ""
    at: datetime | None = None

    @property
    def target(self) -> Target:
        """For series."""
        return Target(self.host, self.cluster)

    @property
    def witness(self) -> Witness:
        """For facts that have no time of their own."""
        return Witness(self.source, self.at)


def of(headers: Headers, source: str) -> Context:
    """The context that headers carry; `source` where they name none. Raises BadInput."""
    named = {k.lower(): v for k, v in headers.items()}
    at = named.get(AT, "")
    return Context(
        source=reading.name(named.get(SOURCE, "")) or source,
        host=reading.name(named.get(HOST, "")),
        cluster=reading.name(named.get(CLUSTER, "")),
        at=reading.time(at, AT) if at else None,
    )


def headers(context: Context) -> dict[str, str]:
    """The headers that carry it."""
    at = context.at.isoformat() if context.at else ""
    return {SOURCE: context.source, HOST: context.host, CLUSTER: context.cluster, AT: at}
