"""What an executor asks before it acts: pure functions of `policies`, bound to what this installation trusts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from estate.changes import Change
from estate.clocks import Clock
from estate.ids import ExecutorId, InstallationId
from estate.snapshots import Snapshot
from estate.verdicts import Verdict
from estate.warrants import Warrant
from policies import redeciding, standing, warrants
from policies.bundle import Bundle
from policies.keyrings import KeyRing
from policies.questions import Matter


@dataclass(frozen=True, slots=True)
class Trust:
    """What this executor goes by: the gate's public keys, its own names, the rules and the signed controls."""

    gate_keys: KeyRing
    audience: ExecutorId
    installation: InstallationId
    bundle: Bundle
    controls: standing.Controls


@dataclass(frozen=True, slots=True)
class Law:
    """The four questions."""

    read_warrant: Callable[[bytes], Warrant]
    """The warrant in an envelope whose signature, audience and installation are right (else Denied). Never the
    times: an expired warrant still resumes, because expiry bounds the start of a step and never an undo."""
    frozen: Callable[[Warrant, Snapshot], str | None]
    """Why a freeze holds the warrant now, or None."""
    decide_again: Callable[[Warrant, Snapshot], Verdict]
    """The decision on the newest snapshot."""
    undo_objection: Callable[[Warrant, Change, Snapshot], str | None]
    """Why tier 0 forbids this undo on this snapshot, or None."""

    @classmethod
    def of(cls, trust: Trust, clock: Clock) -> Self:
        """The law of `policies`."""
        return cls(
            read_warrant=lambda envelope: warrants.read_warrant(
                envelope, trust.gate_keys, trust.audience, trust.installation
            ),
            frozen=lambda warrant, snapshot: _frozen(trust.controls, warrant, snapshot),
            decide_again=lambda warrant, snapshot: redeciding.decide_again(
                warrant, snapshot, trust.bundle, trust.controls, clock()
            ),
            undo_objection=lambda warrant, inverse, snapshot: _objection(trust, warrant, inverse, snapshot, clock),
        )


def _frozen(controls: standing.Controls, warrant: Warrant, snapshot: Snapshot) -> str | None:
    concerned = standing.concern(Matter.of_warrant(warrant), snapshot)
    found = standing.standing(concerned, controls, (), executor_known=True).freezes
    return f"frozen by {found[0].by}: {found[0].reason or 'no reason given'}" if found else None


def _objection(trust: Trust, warrant: Warrant, inverse: Change, snapshot: Snapshot, clock: Clock) -> str | None:
    failures = redeciding.undo_failures(warrant, inverse, snapshot, trust.bundle, clock())
    return "; ".join(f"{f.policy}: {f.reason}" for f in failures) or None
