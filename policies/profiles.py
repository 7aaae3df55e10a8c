"""Profiles: the numbers of a house. The rules say what is compared, a profile with what.

Loaded beside the rules and part of the bundle's digest, so that verdict, warrant and executor name the same numbers. A
profile holds no rule and lifts none; tier 0 reads nothing of it. Four for examples lie in `rules/profiles/`; what a
profile leaves out is as in the house's own, which is `Profile()`.
"""

from __future__ import annotations

from datetime import date, time, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from estate.identities import Role
from estate.ids import TenantId
from estate.law import DataClass, KeyModel, Quota
from estate.modes import Scope
from estate.obligations import Canary, Notify, Obligation, PostCheck, SnapshotFirst
from estate.records import Model, Record, doubled, later
from estate.units import MicroUsdPerHour, PerMille
from policies.domains import Sort
from policies.reserves import Reserves


class Day(StrEnum):
    """A day of the week, in the order of `datetime.weekday`."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(
            f"`{name}` is no time zone known here; write one of the IANA list, e.g. `Europe/Berlin`"
        ) from error
    return name


Zone = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_zone)]
ClockTime = Annotated[str, StringConstraints(pattern=r"^(?:[01][0-9]|2[0-3]):[0-5][0-9]$")]
"""`22:30`: a time of day in the window's own zone."""


class Blast(Model):
    """The most that one proposal may touch."""

    nodes: int = Field(default=16, ge=1)
    workloads: int = Field(default=12, ge=1)
    objects: int = Field(default=12, ge=1)
    replicas: int = Field(default=24, ge=1)
    """Running ones that it disturbs."""


_NODED: Final = frozenset({Sort.NVLINK_DOMAIN, Sort.RACK, Sort.POWER_FEED, Sort.LEAF_SWITCH, Sort.SITE})
"""Of what a share of nodes may be fenced."""


class Breaker(Model):
    """The most that may happen to one domain of a sort. None bounds nothing."""

    of: Sort
    changes: int | None = Field(default=None, ge=1)
    """Changes within the window of the profile, this proposal's included."""
    share: PerMille | None = None
    """Where it is more than `changes`: one change for so large a part of its nodes."""
    at_once: int | None = Field(default=None, ge=1)
    """Changes under way at one time, this proposal's included."""
    fenced: PerMille | None = None
    """The part of its nodes that may be fenced, and always one of them."""

    @model_validator(mode="after")
    def _bounds_what_it_has(self) -> Self:
        if self.fenced is not None and self.of not in _NODED:
            raise ValueError(f"fenced: a {self.of.value} has no share of nodes to fence; bound `changes` or `at_once`")
        if self.share is not None and self.of not in {*_NODED, Sort.FLEET}:
            raise ValueError(f"share: a {self.of.value} has no number of nodes; bound `changes`")
        return self


class Window(Model):
    """When changes may be made in a scope, by the clock of its place. Past midnight where it closes before it opens."""

    scope: Scope = Scope()
    zone: Zone
    days: tuple[Day, ...] = Field(default=tuple(Day), min_length=1, max_length=7)
    """On which it opens."""
    opens: ClockTime = "00:00"
    closes: ClockTime = "00:00"

    @property
    def begins(self) -> time:
        """When it opens, as the zone's clocks show it."""
        return time.fromisoformat(self.opens)

    @property
    def ends(self) -> time:
        """When it closes, likewise."""
        return time.fromisoformat(self.closes)


class Closure(Model):
    """Days on which nothing planned is changed in a scope: the end of the year, the final of the cup."""

    scope: Scope = Scope()
    zone: Zone
    first: date
    last: date
    reason: str = Field(min_length=1, max_length=200)

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.last < self.first:
            raise ValueError(f"last: `{self.last}` is before `{self.first}`; swap them")
        return self


class Risk(Model):
    """What a proposal does, as far as it must be known to be dear. An absent condition fits everything."""

    kinds: tuple[str, ...] = ()
    """Kinds of change; one of them is enough."""
    nodes: int = Field(default=0, ge=0)
    """At least so many nodes touched."""
    replicas: int = Field(default=0, ge=0)
    """At least so many running replicas disturbed."""
    tenants: int = Field(default=0, ge=0)
    """At least so many tenants whose work is changed."""
    irreversible: bool = False
    """A step that nothing undoes."""


class Quorum(Risk):
    """How many people of a role must approve what fits every condition."""

    role: Literal[Role.OPERATOR, Role.TENANT_OWNER]
    count: int = Field(default=1, ge=1, le=8)


class Duty(Risk):
    """What an executor owes beside the steps of what fits every condition. Of several that fit, the strictest holds."""

    notify: tuple[Literal[Role.OPERATOR, Role.TENANT_OWNER], ...] = Field(default=(), max_length=2)
    """Who is told before the first step."""
    snapshot_first: bool = False
    canary: Canary | None = None
    """Nothing is owed of a proposal that has no more steps than that."""
    post_check: PostCheck | None = None

    @model_validator(mode="after")
    def _lays_something_on(self) -> Self:
        if not self.obligations:
            raise ValueError("lays nothing on anybody; name `notify`, `snapshot_first`, `canary` or `post_check`")
        return self

    @property
    def obligations(self) -> tuple[Obligation, ...]:
        """All that it says."""
        return (
            *([Notify(roles=self.notify)] if self.notify else ()),
            *([SnapshotFirst()] if self.snapshot_first else ()),
            *([self.canary] if self.canary else ()),
            *([self.post_check] if self.post_check else ()),
        )


class Ceiling(Quota):
    """The most that the house lets a tenant hold with all below it, whatever quota facts give it."""

    tenant: TenantId | None = None
    """None: each tenant by itself."""
    machines_hourly: MicroUsdPerHour | None = later()
    """What the machines of its own groups may cost together in an hour."""


class Patience(Model):
    """How many approvals of one person count in a time: whoever approves everything has looked at nothing."""

    approvals: int = Field(default=60, ge=1, le=10_000)
    within_minutes: int = Field(default=60, ge=1, le=1440)


class Reserving(Model):
    """For how long, and how far ahead, capacity may be reserved."""

    lasts_hours: int = Field(default=2160, ge=1, le=87_600)
    days_ahead: int = Field(default=366, ge=0, le=3660)
    """Until it starts."""


class Ordering(Model):
    """How many machines may be ordered, and for how much."""

    added: int = Field(default=16, ge=0, le=10_000)
    """In one proposal, of all groups together."""
    unasked: int = Field(default=0, ge=0, le=10_000)
    """So many of them without an operator's word."""
    hourly: MicroUsdPerHour | None = None
    """What the machines of all groups may cost together in an hour; None: no ceiling."""


class Profile(Record):
    """The numbers of a house."""

    kind: Literal["placet.profile"] = "placet.profile"
    v: Literal[1] = 1
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9\-]{0,62}$")] = "house"
    summary: str = Field(default="as the rules are shipped", max_length=500)
    blast: Blast = Blast()
    within_minutes: int = Field(default=60, ge=1, le=1440)
    """The window over which changes are counted."""
    breakers: tuple[Breaker, ...] = ()
    windows: tuple[Window, ...] = Field(default=(), max_length=1000)
    """Where some cover a place or a tenant, one of each scope must be open. Fences are put at any time."""
    closures: tuple[Closure, ...] = Field(default=(), max_length=1000)
    power_reserve: PerMille = PerMille(0)
    """Of every budget and capacity, kept free."""
    cooling_reserve: PerMille = PerMille(0)
    key_models: dict[DataClass, KeyModel] = Field(default_factory=dict)
    """The least that the keys of a cluster must be for data of a class, and of the more secret ones."""
    certificates: tuple[str, ...] = Field(default=(), max_length=32)
    """Schemes of which a cluster must hold one in force each, e.g. `SecNumCloud`."""
    prices_known: bool = False
    """Whether a cost ceiling forbids where nobody knows the price."""
    approvals: tuple[Quorum, ...] = Field(default=(), max_length=100)
    patience: Patience = Patience()
    ceilings: tuple[Ceiling, ...] = later((), max_length=1000)
    """Beside the tenants' own quotas, which are facts."""
    exceptions_last_days: int = Field(default=30, ge=1, le=366)
    obligations: tuple[Duty, ...] = later((), max_length=100)
    approve_within_minutes: int = later(1440, ge=1, le=43_200)
    """From the proposal's own time: whoever has not approved by then is not asked any more."""
    execute_within_minutes: int = later(10, ge=1, le=1440)
    """From the warrant's issue: no step begins later. A canary's soak is added."""
    reservations: Reserving = later(Reserving())
    machines: Ordering = later(Ordering())

    @model_validator(mode="after")
    def _bounds_each_sort_once(self) -> Self:
        if twice := doubled([b.of.value for b in self.breakers]):
            raise ValueError(f"breakers: `{twice[0]}` is there twice; keep one")
        return self

    @property
    def window(self) -> timedelta:
        """The window over which changes are counted."""
        return timedelta(minutes=self.within_minutes)

    @property
    def approving(self) -> timedelta:
        """How long after a proposal was made it may be approved."""
        return timedelta(minutes=self.approve_within_minutes)

    @property
    def executing(self) -> timedelta:
        """How long after a warrant was issued its steps may begin."""
        return timedelta(minutes=self.execute_within_minutes)

    @property
    def reserves(self) -> Reserves:
        """What is kept free of budgets and capacities."""
        return Reserves(self.power_reserve, self.cooling_reserve)

    def breaker(self, sort: Sort) -> Breaker:
        """What bounds a domain of that sort: what it says, else what the house says."""
        return self._bounds[sort]

    @cached_property
    def _bounds(self) -> dict[Sort, Breaker]:
        return {b.of: b for b in (*_HOUSE, *self.breakers)}


_HOUSE: Final = (
    Breaker(of=Sort.ACCELERATOR, changes=60),
    Breaker(of=Sort.NVLINK_DOMAIN, changes=120),
    Breaker(of=Sort.NODE, changes=60),
    Breaker(of=Sort.RACK, changes=240, fenced=PerMille(500)),
    Breaker(of=Sort.POWER_FEED, changes=480, share=PerMille(1000)),
    Breaker(of=Sort.LEAF_SWITCH, changes=480, share=PerMille(1000)),
    Breaker(of=Sort.SITE, changes=960, share=PerMille(1000), fenced=PerMille(250)),
    Breaker(of=Sort.TENANT, changes=2000),
    Breaker(of=Sort.FLEET, changes=2000, share=PerMille(1000)),
)
"""Wide: they stop what runs away, and nothing that a busy day does."""
