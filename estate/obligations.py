"""Obligations: what an executor owes beside the steps of a warrant, and how the law lays them on it.

The gate reads them off the profile (`policies.risks`), verdict and warrant carry them, the executor carries them out
and records each. A kind that an executor does not know does not parse, and then it has no warrant.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from estate.records import Model
from estate.words import Role


class Check(StrEnum):
    """What is looked at once more after the outcome."""

    PROMISED = "promised"
    """Every postcondition that nobody has changed since."""
    HEALTHY = "healthy"
    """Every workload concerned runs as many replicas on sound devices as it was promised."""


class Notify(Model):
    """Tell people with these roles before the first step."""

    kind: Literal["notify"] = "notify"
    roles: tuple[Literal[Role.OPERATOR, Role.TENANT_OWNER], ...] = Field(min_length=1, max_length=2)
    """Owners of the tenants concerned, and of no others."""

    def covers(self, due: Obligation) -> bool:
        """Whether who does this has done that."""
        return isinstance(due, Notify) and set(due.roles) <= set(self.roles)

    def describe(self) -> str:
        """In a line."""
        return f"notify {' and '.join(f'{r.value}s' for r in self.roles)} before the first step"


class SnapshotFirst(Model):
    """Keep what each step writes, as it stands, before the first of them."""

    kind: Literal["snapshot-first"] = "snapshot-first"

    def covers(self, due: Obligation) -> bool:
        """Whether who does this has done that."""
        return isinstance(due, SnapshotFirst)

    def describe(self) -> str:
        """In a line."""
        return "record the state before the first step"


class Canary(Model):
    """The first steps alone, and the rest only once what they promised has held for a time."""

    kind: Literal["canary"] = "canary"
    steps: int = Field(ge=1, le=255)
    soak_seconds: int = Field(ge=0, le=86_400)

    def covers(self, due: Obligation) -> bool:
        """Whether who does this has done that: no more at first, no less time."""
        return isinstance(due, Canary) and self.steps <= due.steps and self.soak_seconds >= due.soak_seconds

    def describe(self) -> str:
        """In a line."""
        return f"canary of {self.steps} steps, which must hold for {self.soak_seconds} s before the rest"


class PostCheck(Model):
    """Look again after the outcome."""

    kind: Literal["post-check"] = "post-check"
    after_seconds: int = Field(ge=1, le=604_800)
    checks: tuple[Check, ...] = Field(default=tuple(Check), min_length=1, max_length=len(Check))

    def covers(self, due: Obligation) -> bool:
        """Whether who does this has done that."""
        if not isinstance(due, PostCheck):
            return False
        return self.after_seconds >= due.after_seconds and set(due.checks) <= set(self.checks)

    def describe(self) -> str:
        """In a line."""
        return f"check again {self.after_seconds} s after the outcome: {', '.join(c.value for c in self.checks)}"


type Obligation = Annotated[Notify | SnapshotFirst | Canary | PostCheck, Field(discriminator="kind")]


def lacking(due: Iterable[Obligation], held: Iterable[Obligation]) -> tuple[Obligation, ...]:
    """Those that are due and that nothing held covers."""
    known = tuple(held)
    return tuple(d for d in due if not any(h.covers(d) for h in known))


def merged(due: Iterable[Obligation]) -> tuple[Obligation, ...]:
    """One of each kind that covers all of that kind, in the order in which they fall due."""
    found = tuple(due)
    told = {r for d in found if isinstance(d, Notify) for r in d.roles}
    canaries = [d for d in found if isinstance(d, Canary)]
    checks = [d for d in found if isinstance(d, PostCheck)]
    return (
        *([Notify(roles=tuple(r for r in (Role.OPERATOR, Role.TENANT_OWNER) if r in told))] if told else ()),
        *([SnapshotFirst()] if any(isinstance(d, SnapshotFirst) for d in found) else ()),
        *([_strictest(canaries)] if canaries else ()),
        *([_latest(checks)] if checks else ()),
    )


def soak_seconds(obligations: Iterable[Obligation]) -> int:
    """How long they hold an execution up."""
    return sum(o.soak_seconds for o in obligations if isinstance(o, Canary))


def _strictest(canaries: list[Canary]) -> Canary:
    return Canary(steps=min(c.steps for c in canaries), soak_seconds=max(c.soak_seconds for c in canaries))


def _latest(checks: list[PostCheck]) -> PostCheck:
    named = {c for check in checks for c in check.checks}
    return PostCheck(after_seconds=max(c.after_seconds for c in checks), checks=tuple(c for c in Check if c in named))
