"""What a parser makes of a sender's payload: typed facts in the sender's own names, before anything is resolved.

Parsers (`tools.payloads`) produce these; intake resolves the names against a snapshot and makes an `Event` of each.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from estate.evidence import Evidence
from estate.records import Model, Time, later

PLACEMENT_AWAITED: Final = "placement-awaited"
"""The code of a `capacity.pressure` that asks Placet itself: its own gate holds back what waits."""
FENCE_IDLE: Final = "fence-idle"
"""The code of a `capacity.pressure` about a node that is well again behind its fence."""
PROMISE_BROKEN: Final = "promise"
"""With which the code of every event begins that tells of a promise which its place does not keep."""


class EventType(StrEnum):
    """Past-tense facts from outside; DESIGN §3. The version is in the CloudEvents type, `placet.<type>.v1`."""

    ACCELERATOR_FAILED = "accelerator.failed"
    ACCELERATOR_DEGRADED = "accelerator.degraded"
    ACCELERATOR_RECOVERED = "accelerator.recovered"
    NODE_FAILED = "node.failed"
    NODE_DEGRADED = "node.degraded"
    LINK_DEGRADED = "link.degraded"
    POWER_EXCEEDED = "power.exceeded"
    COOLING_DEGRADED = "cooling.degraded"
    CAPACITY_PRESSURE = "capacity.pressure"
    CONFIG_DRIFTED = "config.drifted"
    PLACEMENT_DRIFTED = "placement.drifted"
    CONTRACT_BREACHED = "contract.breached"
    SOVEREIGNTY_VIOLATED = "sovereignty.violated"
    ISOLATION_VIOLATED = "isolation.violated"
    INVENTORY_STALE = "inventory.stale"
    INVENTORY_CONFLICTED = "inventory.conflicted"
    HEARTBEAT_MISSED = "heartbeat.missed"
    CLOCK_SKEWED = "clock.skewed"
    ALERT_FIRED = "alert.fired"
    REQUEST_RECEIVED = "request.received"
    PROPOSAL_RECEIVED = "proposal.received"


class Severity(StrEnum):
    """How bad the sender says it is, on one scale for every sender."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"
    FATAL = "fatal"
    """The device is lost: containment does not wait."""


class Whereabouts(Model):
    """What the sender calls the place, all optional and all text: claims to be resolved, never facts."""

    cluster: str = ""
    node_name: str = ""
    gpu_uuid: str = ""
    gpu_index: int | None = None
    pci_address: str = ""
    """Normalised `domain:bus:device.function`, lower case."""
    namespace: str = ""
    workload: str = ""
    pod: str = ""
    site: str = ""
    rack: str = ""


class Observation(Model):
    """One typed fact out of one payload. One payload may hold several (an Alertmanager batch)."""

    type: EventType
    severity: Severity
    source: str
    """Who says so, as the sender writes it (CloudEvents source, `nvsentinel/<agent>`, `kernel/<host>`)."""
    sender_id: str
    """The sender's id, or one derived by the parser's documented rule where the sender gives none."""
    occurred_at: Time | None
    """The sender's time, if it gives one."""
    whereabouts: Whereabouts
    code: str = ""
    """The sender's code in one vocabulary, e.g. `xid-79`, `alert-KubeNodeNotReady`."""
    message: str = ""
    resolved: bool = False
    """The sender says that the fact no longer holds."""
    evidence: Evidence | None = later()
    """What the sender measured, where it says so in our own form."""
    unknown_fields: int = 0
    """How many fields of the payload the parser does not know: accepted, counted."""
