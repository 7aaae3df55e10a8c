"""NATS users and their permissions, generated from the subjects: what a process may not do, the server refuses.

Called by `console.bootstrap` for the embedded server, and to write them for a real one. Nobody but the administrator
may make, change, purge or delete a stream or a consumer: who makes a push consumer can have the server publish its
messages anywhere (see `genuineness`). Direct reads are granted to nobody, for the same reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from estate.ids import ChannelId, ExecutorId
from estate.proposals import Lane
from estate.subjects import Subjects
from tools.bus import streams
from tools.bus.port import ConsumerSpec, StreamSpec
from tools.bus.wire import API, inbox_of

ADMINISTRATOR = "admin"
AGENT = "agent"
GATE = "gate"
INVENTORY = "inventory"
CONSOLE = "console"
CLIENT = "client"

_FOLLOWED = (streams.DELTAS, streams.TELEMETRY)
"""What whoever holds an estate reads."""
_CONSOLE_READS = (
    *_FOLLOWED,
    streams.CONTROLS,
    streams.VERDICTS,
    streams.OUTCOMES,
    streams.NOTICES,
    streams.EVENTS_CONTAINMENT,
    streams.EVENTS_CASE,
    streams.DEAD,
)


@dataclass(frozen=True, slots=True)
class User:
    """One NATS user. Empty `publish` or `subscribe` means nothing, not everything; only the administrator is free."""

    name: str
    password: str = field(repr=False)
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    answers: bool = False
    """Whether it may answer a request that it received."""
    unrestricted: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """What a process may do, in the words of the Bus."""

    publish: tuple[str, ...] = ()
    listen: tuple[str, ...] = ()
    consume: tuple[ConsumerSpec, ...] = ()
    read: tuple[str, ...] = ()
    """Streams that it may replay and follow."""
    delete: tuple[str, ...] = ()
    """Streams of which it may delete single messages."""
    buckets: tuple[str, ...] = ()
    """Buckets that it may read and write whole."""
    keys: tuple[tuple[str, str], ...] = ()
    """(bucket, key pattern) that it may write, in buckets that it may read."""
    reads_buckets: tuple[str, ...] = ()
    answers: bool = False


def executor_user(executor: ExecutorId) -> str:
    """The NATS user of that executor."""
    return f"executor-{executor}"


def channel_user(channel: ChannelId) -> str:
    """The NATS user of whoever publishes on that channel directly."""
    return f"channel-{channel}"


@dataclass(frozen=True, slots=True)
class Accounts:
    """Generates the users of one installation. `consumers` are those of each user, by its name."""

    subjects: Subjects
    consumers: Mapping[str, Sequence[ConsumerSpec]]
    executors: Sequence[ExecutorId] = ()
    channels: Mapping[ChannelId, Sequence[str]] = field(default_factory=dict)
    """The formats that each may send: nothing else of a channel's can reach a stream, or the dead letters."""

    def users(self, password: Callable[[str], str]) -> tuple[User, ...]:
        """Every user with the password that `password` gives for its name; the administrator first."""
        admin = User(ADMINISTRATOR, password(ADMINISTRATOR), unrestricted=True)
        return (admin, *(self._user(name, password(name), grant) for name, grant in self.grants().items()))

    def grants(self) -> dict[str, Grant]:
        """What each restricted user may do."""
        subjects = self.subjects
        return {
            AGENT: self._agent(),
            GATE: self._gate(),
            INVENTORY: self._inventory(),
            CONSOLE: self._console(),
            CLIENT: Grant(publish=(subjects.command("*"),), listen=(subjects.progress("*"),)),
            **{executor_user(executor): self._executor(executor) for executor in self.executors},
            **{channel_user(channel): self._channel(channel, formats) for channel, formats in self.channels.items()},
        }

    def _channel(self, channel: ChannelId, formats: Sequence[str]) -> Grant:
        return Grant(publish=tuple(self.subjects.intake(channel, f) for f in formats))

    def _agent(self) -> Grant:
        s = self.subjects
        return Grant(
            publish=(
                *s.events(),
                s.case("*", "*"),
                s.proposal(Lane.CONTAINMENT, "*", AGENT),
                s.proposal(Lane.CASE, "*", AGENT),
                s.progress("*"),
            ),
            consume=self._consumers(AGENT),
            read=(*_FOLLOWED, streams.CONTROLS),
            buckets=("incidents", "checkpoints"),
            reads_buckets=("drifts", "workers", "outlooks"),
            keys=(("workers", f"{AGENT}.*"), ("outlooks", "newest")),
        )

    def _gate(self) -> Grant:
        s = self.subjects
        return Grant(
            publish=(s.verdict("*", "*"), s.warrants(Lane.CONTAINMENT), s.warrants(Lane.CASE), s.progress("*")),
            consume=self._consumers(GATE),
            read=(*_FOLLOWED, streams.CONTROLS, streams.OUTCOMES),
            reads_buckets=("leases",),
            keys=(("leases", "gate.>"), ("leases", "gate")),
        )

    def _executor(self, executor: ExecutorId) -> Grant:
        s, name = self.subjects, executor_user(executor)
        return Grant(
            publish=(s.outcome("*", "*"), s.notice("*", "*"), s.progress("*")),
            consume=self._consumers(name),
            read=(*_FOLLOWED, streams.CONTROLS),
            buckets=("reservations",),
            reads_buckets=("leases",),
            keys=(("leases", f"{name}.>"), ("leases", name)),
        )

    def _inventory(self) -> Grant:
        s = self.subjects
        return Grant(
            publish=(s.delta(), s.telemetry(), *s.intakes(INVENTORY), s.progress("*")),
            consume=self._consumers(INVENTORY),
            read=(streams.DELTAS, streams.CONTROLS),
            reads_buckets=("leases", "reservations", "workers"),
            keys=(("leases", "inventory-writer"),),
            buckets=("drifts", "sensors"),
        )

    def _console(self) -> Grant:
        s = self.subjects
        return Grant(
            publish=(
                *s.intakes("*"),
                *s.events(),
                s.case("*", "*"),
                s.proposal(Lane.CONTAINMENT, "*", "*"),
                s.proposal(Lane.CASE, "*", "*"),
                s.approval("*"),
                s.control("*"),
                s.progress("*"),
            ),
            listen=(s.command("*"), s.progress("*")),
            consume=self._consumers(CONSOLE),
            read=_CONSOLE_READS,
            delete=(streams.DEAD,),
            reads_buckets=("incidents", "drifts", "outlooks"),
            answers=True,
        )

    def _consumers(self, user: str) -> tuple[ConsumerSpec, ...]:
        return tuple(self.consumers.get(user, ()))

    def _user(self, name: str, password: str, grant: Grant) -> User:
        writing = _Writing(self.subjects)
        publish = chain(
            grant.publish,
            *(writing.consuming(spec) for spec in grant.consume),
            *(writing.reading(f"{stream}") for stream in grant.read),
            *([f"{API}.STREAM.MSG.DELETE.{writing.physical(stream)}"] for stream in grant.delete),
            *(writing.bucket(bucket, ">") for bucket in grant.buckets),
            *(writing.bucket(bucket, key) for bucket, key in grant.keys),
            *(writing.reading(bucket, "KV_") for bucket in grant.reads_buckets),
        )
        subscribe = chain(
            [f"{inbox_of(name)}.>"],
            grant.listen,
            *(writing.stored(stream) for stream in grant.read),
            *([writing.keys(bucket)] for bucket in (*grant.buckets, *grant.reads_buckets)),
        )
        return User(name, password, _unique(publish), _unique(subscribe), grant.answers)


@dataclass(frozen=True, slots=True)
class _Writing:
    """Says what an act of the Bus is in subjects of the server."""

    subjects: Subjects

    def physical(self, name: str) -> str:
        return f"{self.subjects.installation}_{name}"

    def stored(self, stream: str) -> tuple[str, ...]:
        known: dict[str, StreamSpec] = {spec.name: spec for spec in streams.streams(self.subjects)}
        return known[stream].subjects

    def keys(self, bucket: str, pattern: str = ">") -> str:
        return f"$KV.{self.physical(bucket)}.{pattern}"

    def reading(self, name: str, kind: str = "") -> list[str]:
        """The stream's description and its messages, one by one; nothing that could make the server copy them."""
        physical = f"{kind}{self.physical(name)}"
        return [f"{API}.STREAM.INFO.{physical}", f"{API}.STREAM.MSG.GET.{physical}"]

    def bucket(self, bucket: str, pattern: str) -> list[str]:
        return [self.keys(bucket, pattern), *self.reading(bucket, "KV_")]

    def consuming(self, spec: ConsumerSpec) -> list[str]:
        """Pull and acknowledge that one consumer's messages, and bury them."""
        at = f"{self.physical(spec.stream)}.{spec.name}"
        return [
            f"{API}.STREAM.INFO.{self.physical(spec.stream)}",
            f"{API}.CONSUMER.INFO.{at}",
            f"{API}.CONSUMER.MSG.NEXT.{at}",
            f"$JS.ACK.{at}.>",
            f"$JS.ACK.*.*.{at}.>",
            self.subjects.dead_letter(spec.stream, spec.name),
            *([self.subjects.dead_letter(spec.stream, spec.name, "*")] if spec.stream in streams.RAW else []),
            *self.bucket("left", f"{spec.stream}.{spec.name}.*"),
        ]


def users_block(users: Sequence[User]) -> str:
    """The `accounts` block of a server's configuration; empty (no authentication) without users."""
    if not users:
        return ""
    entries = ",\n".join(f"    {_entry(user)}" for user in users)
    return f"accounts {{\n  PLACET {{\n   jetstream: enabled\n   users: [\n{entries}\n   ]\n  }}\n}}\n"


def _entry(user: User) -> str:
    entry: dict[str, object] = {"user": user.name, "password": user.password}
    if not user.unrestricted:
        permissions: dict[str, object] = {
            "publish": {"allow": list(user.publish)} if user.publish else {"deny": [">"]},
            "subscribe": {"allow": list(user.subscribe)} if user.subscribe else {"deny": [">"]},
        }
        if user.answers:
            permissions["allow_responses"] = {"max": 1, "expires": "1m"}
        entry["permissions"] = permissions
    return json.dumps(entry)


def _unique(subjects: chain[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(subjects))
