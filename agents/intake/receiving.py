"""The consumer of raw bodies: bytes on a channel become events on their sites.

Channel and format are read off the subject, which the broker's permissions guard, never off the payload. A batch loses
none of its good items to a bad one: the good are published, then the whole body goes to the dead letters with the
reasons of the faulty ones. An event that no fact places has no site to be published under and is dead-lettered too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from agents.containment import calls_for_fence
from agents.intake import commands
from agents.intake.channels import COMMANDS, FRONT_DOOR, ChannelConfig, Channels
from agents.intake.resolving import resolve
from estate import canonical
from estate.clocks import Clock
from estate.errors import BadInput, NeverRetry
from estate.events import Event, Place, event_id
from estate.ids import Digest
from estate.observations import EventType, Observation, Severity
from estate.proposals import Lane
from estate.snapshots import Snapshot
from estate.subjects import Subjects
from tools.bus.port import Bus, Delivery
from tools.inventory.port import Reader
from tools.payloads.parsed import Parser

log = structlog.get_logger(__name__)

RECEIVED_AT = "placet-received-at"
"""The header in which a door may say when it took the body in, RFC 3339: a redelivery then makes the same event."""

LONGEST_WAIT = timedelta(days=30)
"""How old a body may be, dead letters that are replayed included; an older receipt is taken for a lie."""


@dataclass(frozen=True, slots=True)
class _Receipt:
    """What is the same for every event of one body."""

    channel: ChannelConfig
    format: str
    at: datetime
    raw: Digest


class Intake:
    """Handles both streams of raw bodies."""

    def __init__(
        self,
        bus: Bus,
        reader: Reader,
        parsers: Mapping[str, Parser],
        channels: Channels,
        clock: Clock,
        subjects: Subjects,
    ) -> None:
        self._bus = bus
        self._reader = reader
        self._parsers = parsers
        self._channels = channels
        self._clock = clock
        self._subjects = subjects

    async def on_body(self, delivery: Delivery) -> None:
        """The handler for INTAKE and INTAKE_DEVICE.

        Raises:
            NeverRetry: the channel is unknown or may not send this format.
            NeverRetry: something in the body could not be read or placed; the rest was published first.
        """
        channel, format = self._addressed(delivery.subject)
        receipt = _Receipt(channel, format, self._received(delivery), canonical.digest(delivery.data))
        snapshot = self._reader.newest()
        if format in COMMANDS:
            await self._publish(_spoken(commands.parse(delivery.data, format), receipt, snapshot))
            return
        await self._observed(delivery, receipt, snapshot)

    async def _observed(self, delivery: Delivery, receipt: _Receipt, snapshot: Snapshot) -> None:
        parsed = self._parsers[receipt.format](delivery.data, delivery.headers)
        reasons = [str(f) for f in parsed.faults]
        if parsed.facts and not parsed.observations:
            reasons.append("it states what is and tells no event; let a source of the inventory read it")
        for observation in parsed.observations:
            event = _event(observation, receipt, snapshot)
            if event.place.site is None:
                reasons.append(f"no fact places `{_called(event)}`; add it to the facts and replay")
                continue
            await self._publish(event)
        if reasons:
            more = f"; and {len(reasons) - 5} more" if len(reasons) > 5 else ""
            raise NeverRetry("; ".join(reasons[:5]) + more)

    async def _publish(self, event: Event) -> None:
        assert event.place.site is not None, "events without a site are dead-lettered"
        lane = Lane.CASE if calls_for_fence(event) is None else Lane.CONTAINMENT
        subject = self._subjects.event(lane, event.place.site, event.type)
        await self._bus.publish(subject, event.canonical(), message_id=event.id)

    def _addressed(self, subject: str) -> tuple[ChannelConfig, str]:
        addressed = self._subjects.intake_of(subject)
        if addressed is None:
            raise BadInput(f"`{subject}` is no intake subject; use `{self._subjects.intake('<channel>', '<format>')}`")
        name, format = addressed
        channel = self._channels.get(name)
        if channel is None:
            raise NeverRetry(f"channel `{name}` is not configured; add it under `channels`")
        return channel, self._admitted(channel, format)

    def _admitted(self, channel: ChannelConfig, format: str) -> str:
        if format in COMMANDS:
            if channel.id != FRONT_DOOR:
                raise NeverRetry(
                    f"`{format}` from channel `{channel.id}` is refused; only `{FRONT_DOOR}` carries commands"
                )
            return format
        if format not in self._parsers:
            raise BadInput(f"unknown format `{format}`; this placet reads {', '.join(sorted(self._parsers))}")
        if format not in channel.formats:
            raise NeverRetry(f"channel `{channel.id}` may not send `{format}`; add it to the channel's formats")
        return format

    def _received(self, delivery: Delivery) -> datetime:
        """When a door took the body in; a sender on NATS may write anything there, so it is believed within reason."""
        now, told = self._clock(), delivery.headers.get(RECEIVED_AT)
        try:
            parsed = datetime.fromisoformat(told) if told else None
        except ValueError:
            parsed = None
        if parsed is None or parsed.tzinfo is None:
            return now
        return parsed if now - LONGEST_WAIT <= parsed <= now else now


def _event(seen: Observation, receipt: _Receipt, snapshot: Snapshot) -> Event:
    resolved = resolve(seen.whereabouts, snapshot, receipt.channel)
    if resolved.findings:
        log.warning("names contradict", channel=receipt.channel.id, source=seen.source, findings=resolved.findings)
    doubts = tuple(canonical.clean_text(f"contradiction: {f}", 500) for f in resolved.findings)
    place = resolved.place.model_copy(update={"unresolved": (*resolved.place.unresolved, *doubts)})
    return Event(
        id=event_id(receipt.channel.id, seen.source, seen.sender_id),
        type=seen.type,
        severity=seen.severity,
        channel=receipt.channel.id,
        source=seen.source,
        sender_id=seen.sender_id,
        occurred_at=seen.occurred_at,
        received_at=receipt.at,
        place=place,
        tenant=receipt.channel.tenant,
        code=seen.code,
        message=seen.message,
        resolved=seen.resolved,
        raw=receipt.raw,
        unknown_fields=seen.unknown_fields,
    )


def _spoken(command: commands.Command, receipt: _Receipt, snapshot: Snapshot) -> Event:
    asked = command.request is not None
    return Event(
        id=event_id(receipt.channel.id, command.source, command.id),
        type=EventType.REQUEST_RECEIVED if asked else EventType.PROPOSAL_RECEIVED,
        severity=Severity.INFO,
        channel=receipt.channel.id,
        source=command.source,
        sender_id=command.id,
        occurred_at=receipt.at,
        received_at=receipt.at,
        place=Place(site=commands.home(command, snapshot)),
        raw=receipt.raw,
        request=command.request,
        proposal=command.proposal,
    )


def _called(event: Event) -> str:
    """What the sender named, for a reason."""
    return ", ".join(event.place.unresolved) or event.source
