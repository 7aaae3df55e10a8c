"""Dead letters: what could not be handled, why, and how it goes back.

The adapters make the copies; `placet dlq` and the console list, show and replay them. A letter is only as honest as
whoever buried it, and its message as whoever sent it: the subject that it lies under, which the broker guards, says
from which stream it came, and to that stream alone it goes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from estate import canonical
from estate.errors import BadInput, NeverRetry
from estate.ids import InstallationId
from estate.subjects import ROOT, Subjects
from tools.bus import streams
from tools.bus.genuineness import matches
from tools.bus.port import Bus, ConsumerSpec, Delivery

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
_OWN = frozenset(n.lower() for n in (REASON, SUBJECT, FROM_STREAM, SEQUENCE, CONSUMER, ATTEMPTS, ORIGINAL_ID, BODY))
_LONGEST_COUNT = 9


class NoSuchLetter(NeverRetry):
    """There is no dead letter of that number (any more)."""


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
    buried: str
    """The subject that it lies under."""
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
    theirs = {name: value for name, value in delivery.headers.items() if _is_theirs(name)}
    headers = {
        **theirs,
        REASON: canonical.clean_text(" ".join(reason.split()), 1000),
        SUBJECT: delivery.subject,
        FROM_STREAM: delivery.stream,
        SEQUENCE: str(delivery.sequence),
        CONSUMER: consumer,
        ATTEMPTS: str(delivery.attempt),
        ORIGINAL_ID: delivery.message_id,
    }
    return Copy(f"dead:{delivery.stream}:{consumer}:{delivery.sequence}", delivery.data, headers)


def subject(subjects: Subjects, spec: ConsumerSpec, delivery: Delivery) -> str:
    """Where a letter lies: those of raw bodies under their channel too, so that each has a share of its own."""
    sender = subjects.intake_of(delivery.subject)
    return subjects.dead_letter(spec.stream, spec.name, sender[0] if sender else None)


async def listed(bus: Bus) -> tuple[DeadLetter, ...]:
    """Every dead letter, oldest first."""
    return tuple(_read(delivery) for delivery in await bus.replay(STREAM))


async def show(bus: Bus, sequence: int) -> DeadLetter:
    """One dead letter. Raises NoSuchLetter."""
    found = next((letter for letter in await listed(bus) if letter.sequence == sequence), None)
    if found is None:
        raise NoSuchLetter(f"no dead letter `{sequence}`; list them to see which there are")
    return found


async def drop(bus: Bus, letter: DeadLetter) -> None:
    """Forget it for good. Whoever calls has put down who wanted it."""
    await bus.delete_message(STREAM, letter.sequence)


async def replay(bus: Bus, sequence: int) -> str:
    """Publish it again where it came from and forget the copy; the new message id.

    The id gets a suffix, because the stream would swallow the original one as a duplicate; replaying twice stores once.

    Raises:
        NoSuchLetter: there is none of that number.
        BadInput: its body was too large to keep, or it names a subject that is not of its stream.
    """
    letter = await show(bus, sequence)
    _check_origin(letter)
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
        buried=delivery.subject,
        reason=headers.get(REASON, ""),
        subject=headers.get(SUBJECT, ""),
        stream=headers.get(FROM_STREAM, ""),
        consumer=headers.get(CONSUMER, ""),
        attempts=_count(headers, ATTEMPTS),
        message_id=headers.get(ORIGINAL_ID, ""),
        replays=_count(headers, REPLAYS),
        data=delivery.data,
        headers={n: v for n, v in headers.items() if _is_theirs(n)},
        body_omitted=BODY in headers,
    )


def _is_theirs(name: str) -> bool:
    """Whether a header is the sender's own: not the server's, and none in which a letter tells its story."""
    return not name.lower().startswith("nats-") and name.lower() not in _OWN


def _count(headers: Mapping[str, str], name: str) -> int:
    """A number that a sender may have written; 0 where it is none."""
    text = headers.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST_COUNT else 0


def _check_origin(letter: DeadLetter) -> None:
    """Refuse a letter that would have the one who replays it publish where the one who buried it may not."""
    installation, _, stream, *_ = letter.buried.removeprefix(f"{ROOT}.").split(".")
    declared = {s.name: s.subjects for s in streams.streams(Subjects(InstallationId(installation)))}
    known = declared.get(letter.stream, (letter.subject,))
    if letter.stream.lower() != stream or not any(matches(pattern, letter.subject) for pattern in known):
        raise BadInput(f"dead letter `{letter.sequence}` names `{letter.subject}`, which is not of its stream; drop it")
