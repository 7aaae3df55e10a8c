"""NVSentinel health events: bare, in a list, or as the data of a CloudEvent `com.nvidia.nvsentinel.health.v1`.

Its versions differ: recommended actions are numbers or names, codes are `79` or `XID_79` or a DCGM name, entity
types change case. All are read. An event over several devices gives one observation for each. A healthy event says
that the fact no longer holds.

A bare event has no id. Ours is the digest of (node, agent, check, codes, devices, time, healthy or not).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime

from estate import canonical
from estate.canonical import Json
from estate.errors import BadInput
from estate.observations import EventType, Observation, Severity, Whereabouts
from tools.payloads import envelopes, reading, xids
from tools.payloads.envelopes import Envelope
from tools.payloads.parsed import Fault, Headers, Item, Parsed, gather

EVENT_TYPE = "com.nvidia.nvsentinel.health.v1"
MOST_DEVICES = 64

_UNUSED = (
    "version",
    "recommendedAction",
    "quarantineOverrides",
    "drainOverrides",
    "processingStrategy",
    "metadata",
    "id",
)
_CODE = re.compile(r"(?:(?P<tag>s?xid)[_\- ]?)?(?P<number>\d{1,6})", re.IGNORECASE | re.ASCII)
_LINKS = ("nvswitch", "nvlink", "nic", "infiniband", "network")


@dataclass(frozen=True, slots=True)
class _Device:
    """The entities of one device."""

    seen: tuple[str, ...] = ()
    where: Whereabouts = field(default_factory=Whereabouts)


@dataclass(frozen=True, slots=True)
class _Health:
    """One health event, read."""

    node: str
    agent: str
    check: str
    component: str
    message: str
    fatal: bool
    healthy: bool
    codes: tuple[str, ...]
    at: datetime | None
    devices: tuple[_Device, ...]
    unknown: int


def parse(body: bytes, headers: Headers) -> Parsed:
    """The health events of a body; `headers` say nothing here.

    Raises:
        BadInput: not one health event can be read.
    """
    value = reading.load(body)
    items: list[Item] = []
    for number, member in enumerate(value if isinstance(value, list) else [value]):
        try:
            items.extend(_member(member, f"{number}" if isinstance(value, list) else ""))
        except BadInput as error:
            items.append(Fault(f"event {number}", str(error)))
    return gather(items)


def observe(envelope: Envelope) -> tuple[Observation, ...]:
    """The facts of a CloudEvent that carries a health event.

    Raises:
        BadInput: its data is not a health event.
    """
    data = reading.Fields(envelope.data, "data")
    event = data.within("healthEvent", required=True) if data.has("healthEvent") else data
    where = data.within("metadata") if event is not data else reading.Fields({}, "")
    health = _health(event)
    found = _observations(
        replace(health, at=health.at or envelope.time, unknown=health.unknown + envelope.extensions),
        source=envelope.source,
        sender_id=envelope.id,
    )
    cluster = reading.name(where.text("cluster", ""))
    return tuple(_in_cluster(o, cluster) for o in found)


def _member(value: object, at: str) -> tuple[Observation, ...]:
    if envelopes.is_envelope(value):
        return observe(envelopes.structured(value, at))
    fields = reading.Fields(value, at)
    health = _health(fields.within("healthEvent") if fields.has("healthEvent") else fields)
    return _observations(health, source=f"nvsentinel/{health.agent}", sender_id=_identity(health))


def _health(fields: reading.Fields) -> _Health:
    fields.knows(*_UNUSED)
    health = _Health(
        node=reading.name(fields.text("nodeName")),
        agent=reading.name(fields.text("agent", "unknown")),
        check=reading.name(fields.text("checkName")),
        component=reading.name(fields.text("componentClass", "")).lower(),
        message=canonical.clean_text(fields.text("message", "")),
        fatal=fields.flag("isFatal", False),
        healthy=fields.flag("isHealthy", False),
        codes=_codes(fields),
        at=fields.time("generatedTimestamp"),
        devices=_devices(fields.items("entitiesImpacted"), fields.place("entitiesImpacted")),
        unknown=0,
    )
    return replace(health, unknown=fields.unknown)


def _codes(fields: reading.Fields) -> tuple[str, ...]:
    value = fields.raw("errorCode")
    given = value if isinstance(value, list) else [] if value is None else [value]
    codes: list[str] = []
    for code in given:
        if isinstance(code, bool) or not isinstance(code, str | int):
            raise BadInput(f"{fields.place('errorCode')}: `{reading.shown(code)}` is not a code")
        codes.append(reading.name(str(code)))
    return tuple(c for c in codes if c)


def _devices(entities: list[object], at: str) -> tuple[_Device, ...]:
    """Entities in the sender's order; a type that repeats begins the next device."""
    devices = [_Device()]
    for number, entity in enumerate(entities):
        fields = reading.Fields(entity, f"{at}.{number}")
        kind, value = fields.text("entityType").lower(), reading.name(fields.text("entityValue", ""))
        if kind in devices[-1].seen:
            devices.append(_Device())
        devices[-1] = _Device((*devices[-1].seen, kind), _with(devices[-1].where, kind, value))
    if len(devices) > MOST_DEVICES:
        raise BadInput(f"{at}: {len(devices)} devices in one event; send at most {MOST_DEVICES}")
    return tuple(devices)


def _with(where: Whereabouts, kind: str, value: str) -> Whereabouts:
    match kind:
        case "gpu":
            update: dict[str, object] = {"gpu_index": reading.index(value)}
        case "gpu_uuid":
            update = {"gpu_uuid": value}
        case "pci":
            update = {"pci_address": reading.pci_address(value) or ""}
        case _:
            return where
    return where.model_copy(update=update)


def _observations(health: _Health, source: str, sender_id: str) -> tuple[Observation, ...]:
    code, severity = _worst(health)
    return tuple(
        Observation(
            type=_type(health, severity),
            severity=severity,
            source=source,
            sender_id=sender_id if number == 0 else f"{sender_id}#{number}",
            occurred_at=health.at,
            whereabouts=device.where.model_copy(update={"node_name": health.node}),
            code=code,
            message=health.message,
            resolved=health.healthy,
            unknown_fields=health.unknown,
        )
        for number, device in enumerate(health.devices)
    )


def _worst(health: _Health) -> tuple[str, Severity]:
    """The code that decides, in our vocabulary, and how bad the sender says it is."""
    judged = [(_vocabulary(c, health.check), _severity(c)) for c in health.codes]
    name = canonical.clean_text(f"nvsentinel-{health.check}", limit=reading.LONGEST_NAME)
    code, worst = name, Severity.WARNING
    for number, (text, severity) in enumerate(judged):
        if number == 0 or (xids.worse(severity, worst) is severity and severity is not worst):
            code, worst = text, severity
    if health.healthy:
        return code, Severity.INFO
    if health.fatal:
        return code, Severity.FATAL
    return code, Severity.CRITICAL if worst is Severity.FATAL else worst


def _severity(code: str) -> Severity:
    found = _CODE.fullmatch(code)
    if found is None or (found["tag"] or "").lower() == "sxid":
        return Severity.WARNING
    return xids.meaning(int(found["number"])).severity


def _vocabulary(code: str, check: str) -> str:
    found = _CODE.fullmatch(code)
    if found is None:
        return code.lower().replace("_", "-")
    tag = (found["tag"] or ("sxid" if "sxid" in check.lower() else "xid")).lower()
    return f"{tag}-{int(found['number'])}"


def _type(health: _Health, severity: Severity) -> EventType:
    if any(word in health.component for word in _LINKS):
        return EventType.LINK_DEGRADED
    fatal = severity is Severity.FATAL
    if health.component == "gpu" or any(d.seen for d in health.devices):
        if health.healthy:
            return EventType.ACCELERATOR_RECOVERED
        return EventType.ACCELERATOR_FAILED if fatal else EventType.ACCELERATOR_DEGRADED
    return EventType.NODE_FAILED if fatal else EventType.NODE_DEGRADED


def _identity(health: _Health) -> str:
    named: list[Json] = [
        health.node,
        health.agent,
        health.check,
        *health.codes,
        *(d.where.digest for d in health.devices),
    ]
    return canonical.digest_of([*named, health.at.isoformat() if health.at else "", health.healthy])


def _in_cluster(observation: Observation, cluster: str) -> Observation:
    where = observation.whereabouts.model_copy(update={"cluster": cluster})
    return observation.model_copy(update={"whereabouts": where})
