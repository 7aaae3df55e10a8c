"""CloudEvents: structured, binary and batch; the type of each decides who reads its data.

`com.nvidia.nvsentinel.health.v1` is NVSentinel's. `placet.<event type>.v1` is our own vocabulary for senders that
want to speak it: `{"severity"?, "code"?, "message"?, "resolved"?, "whereabouts"?: {...}, "evidence"?: {...}}`, the last
as `estate.evidence` has it. Requests and proposals are people's and come through the front door only. Any other type is
refused: it stands in the dead letters, named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic import ValidationError

from estate import canonical
from estate.errors import BadInput
from estate.evidence import Evidence
from estate.observations import EventType, Observation, Severity, Whereabouts
from estate.records import explain
from tools.payloads import envelopes, nvsentinel, reading
from tools.payloads.envelopes import Envelope
from tools.payloads.parsed import Fault, Headers, Item, Parsed, gather

MOST_EVENTS = 2_000

_FRONT_DOOR = frozenset({EventType.REQUEST_RECEIVED, EventType.PROPOSAL_RECEIVED})
_WHERE = tuple(f for f in Whereabouts.model_fields if f not in {"gpu_index", "pci_address"})


def parse(body: bytes, headers: Headers) -> Parsed:
    """The events of a body, in the mode that headers (or, without any, the body) tell.

    Raises:
        BadInput: not one event of it can be read.
    """
    named = {k.lower(): v for k, v in headers.items()}
    if "ce-specversion" in named:
        return Parsed(_dispatched(envelopes.binary(body, named)))
    value = reading.load(body)
    if not isinstance(value, list):
        return Parsed(_dispatched(envelopes.structured(value)))
    return _batch(value)


def _batch(events: list[object]) -> Parsed:
    if not events or len(events) > MOST_EVENTS:
        raise BadInput(f"a batch of {len(events)} events; send 1 to {MOST_EVENTS}")
    items: list[Item] = []
    for number, event in enumerate(events):
        try:
            items.extend(_dispatched(envelopes.structured(event, f"{number}")))
        except BadInput as error:
            items.append(Fault(f"event {number}", str(error)))
    return gather(items)


def _dispatched(envelope: Envelope) -> tuple[Observation, ...]:
    reader = _READERS.get(envelope.type)
    if reader is None:
        known = ", ".join(sorted(_READERS))
        raise BadInput(f"type: `{reading.shown(envelope.type)}` is not known; this version reads {known}")
    return reader(envelope)


def _native(envelope: Envelope, type_: EventType) -> tuple[Observation, ...]:
    data = reading.Fields(envelope.data, "data")
    where = data.within("whereabouts")
    observation = Observation(
        type=type_,
        severity=_severity(data),
        source=envelope.source,
        sender_id=envelope.id,
        occurred_at=envelope.time,
        whereabouts=_whereabouts(where),
        code=reading.name(data.text("code", "")),
        message=canonical.clean_text(data.text("message", "")),
        resolved=data.flag("resolved", False),
        evidence=_evidence(data),
    )
    unknown = envelope.extensions + data.unknown + where.unknown
    return (observation.model_copy(update={"unknown_fields": unknown}),)


def _evidence(data: reading.Fields) -> Evidence | None:
    if not data.has("evidence"):
        return None
    try:
        return Evidence.model_validate(data.raw("evidence"))
    except ValidationError as error:
        raise BadInput(f"data.evidence: {explain(error)}") from error


def _severity(data: reading.Fields) -> Severity:
    text = data.text("severity", Severity.WARNING.value)
    try:
        return Severity(text)
    except ValueError as error:
        known = ", ".join(s.value for s in Severity)
        raise BadInput(f"data.severity: `{reading.shown(text)}` is none of {known}") from error


def _whereabouts(where: reading.Fields) -> Whereabouts:
    names = {field: reading.name(where.text(field, "")) for field in _WHERE}
    index = where.number("gpu_index", -1)
    pci = where.text("pci_address", "")
    return Whereabouts.model_validate(
        names
        | {
            "gpu_index": index if 0 <= index < 10_000 else None,
            "pci_address": reading.pci_address(pci) or "",
        }
    )


def _reader(type_: EventType) -> Callable[[Envelope], tuple[Observation, ...]]:
    return lambda envelope: _native(envelope, type_)


_READERS: Mapping[str, Callable[[Envelope], tuple[Observation, ...]]] = {nvsentinel.EVENT_TYPE: nvsentinel.observe} | {
    f"placet.{t.value}.v1": _reader(t) for t in EventType if t not in _FRONT_DOOR
}
