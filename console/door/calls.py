"""Signed calls: a command, who gives it and when, under the caller's own key.

The client makes one with `sign`; the server opens it with `Calls.open`, which trusts nothing but enrolments.
Refused: a key that no enrolment binds to the named subject, a clock more than 30 s away, a nonce that was used, and a
call to another installation.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import StringConstraints

from console.config import Pace
from console.door.commands import Command
from console.rates import Rates
from estate.clocks import Clock, Entropy
from estate.errors import BadInput, Denied, RetryLater
from estate.identities import Enrolment, Subject
from estate.ids import InstallationId, KeyId
from estate.records import Record, Time
from policies import dsse
from policies.enrolments import Enrolments
from policies.signing.port import Signer
from policies.signing.sealing import seal

PAYLOAD_TYPE = "application/vnd.placet.call.v1+json"
SKEW = timedelta(seconds=30)
NONCES_KEPT = 100_000


class Unauthenticated(Denied):
    """The call does not prove who gives it."""


class Call(Record):
    """The payload of the envelope."""

    kind: Literal["placet.call"] = "placet.call"
    v: Literal[1] = 1
    installation: InstallationId
    command: Command
    subject: Subject
    at: Time
    nonce: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


@dataclass(frozen=True, slots=True)
class Caller:
    """Signs calls for one person."""

    installation: InstallationId
    subject: Subject
    signer: Signer
    clock: Clock
    entropy: Entropy

    def sign(self, command: Command) -> bytes:
        """The envelope of a fresh call."""
        call = Call(
            installation=self.installation,
            command=command,
            subject=self.subject,
            at=self.clock(),
            nonce=self.entropy(16).hex(),
        )
        return seal(call.canonical(), PAYLOAD_TYPE, self.signer)


@dataclass(frozen=True, slots=True)
class Opened:
    """A call that proved itself, with the caller's standing."""

    call: Call
    caller: Enrolment


class Calls:
    """Opens calls to one installation. Remembers nonces for as long as the clocks would let a copy through."""

    def __init__(
        self, installation: InstallationId, enrolments: Enrolments, clock: Clock, rates: Rates[Subject], pace: Pace
    ) -> None:
        self._installation = installation
        self._ring = enrolments.ring()
        self._enrolment_of = enrolments.of_key
        self._clock = clock
        self._rates = rates
        self._pace = pace
        self._seen: OrderedDict[str, datetime] = OrderedDict()

    def open(self, data: bytes) -> Opened:
        """The call and its caller.

        Raises:
            Unauthenticated: the call does not prove who gives it, or is stale or a copy.
            BadInput: the command is none that this program knows.
            RetryLater: this person asks faster than anybody may.
        """
        now = self._clock()
        try:
            opened = dsse.open_envelope(data, PAYLOAD_TYPE, self._ring)
        except Denied as error:
            raise Unauthenticated(str(error)) from error
        call = Call.read(opened.payload)
        caller = self._caller(call, opened.key_ids, now)
        self._in_turn(caller.subject)
        self._check_fresh(call, now)
        return Opened(call, caller)

    def _caller(self, call: Call, keys: tuple[KeyId, ...], now: datetime) -> Enrolment:
        if call.installation != self._installation:
            raise Unauthenticated(f"the call is to `{call.installation}`, this is `{self._installation}`")
        for key in keys:
            enrolment = self._enrolment_of(key, now)
            if enrolment is not None and enrolment.subject == call.subject:
                return enrolment
        raise Unauthenticated(f"`{call.subject}` is not enrolled with key `{keys[0]}`; ask an administrator")

    def _in_turn(self, person: Subject) -> None:
        """Before the call is remembered: whose flood it is has it refused, and nobody else."""
        if seconds := self._rates.wait(person, self._pace):
            most = self._pace.per_second
            raise RetryLater(f"`{person}` asks more than {most} times a second; ask again in {seconds} s")

    def _check_fresh(self, call: Call, now: datetime) -> None:
        if abs(now - call.at) > SKEW:
            seconds = int(abs((now - call.at).total_seconds()))
            raise Unauthenticated(f"the call is {seconds} s away from this clock, 30 are allowed; set the clock")
        if call.nonce in self._seen:
            raise Unauthenticated("the call was made before; sign a new one")
        self._forget(now)
        self._seen[call.nonce] = call.at

    def _forget(self, now: datetime) -> None:
        while self._seen and (next(iter(self._seen.values())) < now - 2 * SKEW):
            self._seen.popitem(last=False)
        if len(self._seen) >= NONCES_KEPT:
            raise BadInput("too many calls within a minute; slow down")
