"""What an executor asks before it acts: pure functions of `policies`, bound to what this installation trusts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Self

from estate.changes import Change
from estate.clocks import Clock
from estate.identities import Enrolment
from estate.ids import ExecutorId, InstallationId, KeyId
from estate.snapshots import Snapshot
from estate.verdicts import Verdict
from estate.warrants import Warrant
from policies import redeciding, warrants
from policies.bundle import Bundle
from policies.holdings import Keeper
from policies.ledger.port import Ledger
from policies.redeciding import Again
from policies.standing import Controls
from policies.warrants import RingAt


@dataclass(frozen=True, slots=True)
class Trust:
    """What this executor goes by: the gate's public keys, its own names, the rules, signed controls and enrolments."""

    gate_keys: RingAt
    ledger: Ledger
    audience: ExecutorId
    installation: InstallationId
    bundle: Bundle
    controls: Controls
    enrolled: Callable[[KeyId], Enrolment | None]
    holdings: Keeper = field(default_factory=Keeper, compare=False, repr=False)
    """What tenants hold, from one decision to the next."""


@dataclass(frozen=True, slots=True)
class Law:
    """The five questions."""

    read_warrant: Callable[[bytes], Awaitable[Warrant]]
    """The warrant in an envelope that the ledger says was issued, and whose signature, audience and installation are
    right (else Denied). Never the times: an expired warrant still resumes, because expiry bounds the start of a step
    and never an undo."""
    frozen: Callable[[Warrant, Snapshot], str | None]
    """Why a freeze holds the warrant now, or None."""
    decide_again: Callable[[Warrant, Snapshot, Again], Verdict]
    """The decision on the newest snapshot, with the people behind it and what else is under way."""
    undo_objection: Callable[[Change, Snapshot], str | None]
    """Why tier 0 forbids this undo on this snapshot, or None."""
    enrolled: Callable[[KeyId], Enrolment | None]
    """For whom a key speaks now: an approval counts again only while it speaks for who gave it."""

    @classmethod
    def of(cls, trust: Trust, clock: Clock) -> Self:
        """The law of `policies`."""
        return cls(
            read_warrant=lambda envelope: warrants.as_issued(
                envelope, trust.ledger, trust.gate_keys, trust.audience, trust.installation
            ),
            frozen=lambda warrant, snapshot: redeciding.held(warrant, snapshot, trust.controls),
            decide_again=lambda warrant, snapshot, again: redeciding.decide_again(
                warrant, snapshot, trust.bundle, trust.controls, clock(), replace(again, holdings=trust.holdings)
            ),
            undo_objection=lambda inverse, snapshot: redeciding.undo_fault(inverse, snapshot, trust.bundle, clock()),
            enrolled=trust.enrolled,
        )
