"""Dead letters: what could not be handled, why, and how it goes back.

The adapters make the copies; `placet dlq` and the console list, show and replay them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from estate.errors import BadInput
from tools.bus.port import Bus, Delivery

STREAM = "DEAD"
REASON = "Placet-Reason"
SUBJECT = "Placet-Subject"
FROM_STREAM = "Placet-Stream"
SEQUENCE = "Placet-Sequence"
CONSUMER = "Placet-Consumer"
ATTEMPTS = "Placet-Attempts"
ORIGINAL_ID = "Placet-Message-Id"
BODY = "Placet-Body"
REPLAYS = "Placet-Replays"
_OWN = frozenset({REASON, SUBJECT, FROM_STREAM, SEQUENCE, CONSUMER, ATTEMPTS, ORIGINAL_ID, BODY})


@dataclass(frozen=True, slots=True)
class Copy:
    """A dead letter about to be stored."""

    message_id: str
    data: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter as it stands in the stream; `sequence` is its name for people."""

    sequence: int
    reason: str
    subject: str
    stream: str
    consumer: str
    attempts: int
    message_id: str
    replays: int
    data: bytes
    headers: Mapping[str, str]
    body_omitted: bool


def copy_of(delivery: Delivery, consumer: str, reason: str) -> Copy:
    """What goes into the dead-letter stream; burying the same delivery twice stores it once."""
    theirs = {name: value for name, value in delivery.headers.items() if not name.startswith("Nats-")}
    headers = {
        **theirs,
        REASON: " ".join(reason.split())[:1000],
        SUBJECT: delivery.subject,
        FROM_STREAM: delivery.stream,
        SEQUENCE: str(delivery.sequence),
        CONSUMER: consumer,
        ATTEMPTS: str(delivery.attempt),
        ORIGINAL_ID: delivery.message_id,
    }
    return Copy(f"dead:{delivery.stream}:{consumer}:{delivery.sequence}", delivery.data, headers)


async def listed(bus: Bus) -> tuple[DeadLetter, ...]:
    """Every dead letter, oldest first."""
    return tuple(_read(delivery) for delivery in await bus.replay(STREAM))


async def show(bus: Bus, sequence: int) -> DeadLetter:
    """One dead letter. Raises BadInput when there is none of that number."""
    found = next((letter for letter in await listed(bus) if letter.sequence == sequence), None)
    if found is None:
        raise BadInput(f"no dead letter `{sequence}`; list them to see which there are")
    return found


async def replay(bus: Bus, sequence: int) -> str:
    """Publish it again where it came from and forget the copy; the new message id.

    The id gets a suffix, because the stream would swallow the original one as a duplicate; replaying twice stores once.

    Raises:
        BadInput: there is no such dead letter, or its body was too large to keep.
    """
    letter = await show(bus, sequence)
    if letter.body_omitted:
        raise BadInput(
            f"dead letter `{sequence}` has no body; ask the sender of `{letter.message_id}` to send it again"
        )
    message_id = f"{letter.message_id.partition('#replay-')[0]}#replay-{sequence}"
    headers = {**letter.headers, REPLAYS: str(letter.replays + 1)}
    await bus.publish(letter.subject, letter.data, message_id=message_id, headers=headers)
    await bus.delete_message(STREAM, sequence)
    return message_id


def _read(delivery: Delivery) -> DeadLetter:
    headers = delivery.headers
    return DeadLetter(
        sequence=delivery.sequence,
        reason=headers.get(REASON, ""),
        subject=headers.get(SUBJECT, ""),
        stream=headers.get(FROM_STREAM, ""),
        consumer=headers.get(CONSUMER, ""),
        attempts=int(headers.get(ATTEMPTS, "0")),
        message_id=headers.get(ORIGINAL_ID, ""),
        replays=int(headers.get(REPLAYS, "0")),
        data=delivery.data,
        headers={n: v for n, v in headers.items() if n not in _OWN and not n.startswith("Nats-")},
        body_omitted=BODY in headers,
    )
