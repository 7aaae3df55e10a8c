"""What an executor asks before it acts. Pure functions of `policies`, paired with it by the console's bootstrap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from estate.changes import Change
from estate.snapshots import Snapshot
from estate.verdicts import Verdict
from estate.warrants import Warrant


@dataclass(frozen=True, slots=True)
class Law:
    """The four questions."""

    open_warrant: Callable[[bytes], Warrant]
    """The warrant in an envelope whose signature, audience and installation are right (else Denied or BadInput).
    Never the times: an expired warrant still resumes, because expiry bounds the start of a step and never an undo."""
    frozen: Callable[[Warrant, Snapshot], str | None]
    """Why a freeze holds the warrant now, or None."""
    decide_again: Callable[[Warrant, Snapshot], Verdict]
    """The decision on the newest snapshot."""
    undo_lawful: Callable[[Change, Snapshot], str | None]
    """Why tier 0 forbids this undo on this snapshot, or None."""
