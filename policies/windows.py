"""When a house lets changes be made: windows and closures of its profile, by the clock of the place. Pure.

Called by `standing`. Where windows cover a scope one of them must be open there; where none does, any time will do.
Daylight saving is the zone's: 02:30 is what the clocks on the wall show.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from estate.ids import SiteId, TenantId
from estate.modes import Scope
from estate.records import write_time
from policies.profiles import Day, Profile, Window

_DAYS: Final = tuple(Day)
_SOON: Final = timedelta(days=8)
"""Every window opens within a week."""


@dataclass(frozen=True, slots=True)
class Shut:
    """Why nothing planned may be changed now, and when it may again."""

    scope: str
    """`site/tenant`, `*` where it is all of them."""
    reason: str
    until: datetime | None

    def __str__(self) -> str:
        again = f", opens {write_time(self.until)}" if self.until is not None else ""
        return f"{self.scope}: {self.reason}{again}"


def windows_shut(
    profile: Profile, sites: Collection[SiteId], tenants: Collection[TenantId], now: datetime
) -> tuple[Shut, ...]:
    """The scopes among these whose windows are all closed at `now`."""
    covering = [w for w in profile.windows if _covers(w.scope, sites, tenants)]
    scopes = dict.fromkeys(w.scope for w in covering)
    return tuple(
        _shut(s, [w for w in covering if w.scope == s], now) for s in scopes if not _any_open(covering, s, now)
    )


def closures_shut(
    profile: Profile, sites: Collection[SiteId], tenants: Collection[TenantId], now: datetime
) -> tuple[Shut, ...]:
    """The closures over these that `now` falls into."""
    found = []
    for closure in profile.closures:
        today = now.astimezone(ZoneInfo(closure.zone)).date()
        if _covers(closure.scope, sites, tenants) and closure.first <= today <= closure.last:
            after = datetime.combine(closure.last + timedelta(days=1), datetime.min.time(), ZoneInfo(closure.zone))
            found.append(Shut(_told(closure.scope), closure.reason, after))
    return tuple(found)


def is_open(window: Window, now: datetime) -> bool:
    """Whether `now` lies in it. One that closes when it opens is open the whole day."""
    there = now.astimezone(ZoneInfo(window.zone))
    clock, today = there.time(), _DAYS[there.weekday()]
    if window.begins < window.ends:
        return today in window.days and window.begins <= clock < window.ends
    yesterday = _DAYS[there.weekday() - 1]
    return (today in window.days and clock >= window.begins) or (yesterday in window.days and clock < window.ends)


def opens_at(windows: Iterable[Window], now: datetime) -> datetime | None:
    """When the first of them opens next."""
    return min((at for w in windows for at in _openings(w, now) if at > now), default=None)


def _openings(window: Window, now: datetime) -> Iterator[datetime]:
    zone = ZoneInfo(window.zone)
    first = now.astimezone(zone).date()
    for ahead in range(_SOON.days):
        day = first + timedelta(days=ahead)
        if _DAYS[day.weekday()] in window.days:
            yield datetime.combine(day, window.begins, zone).astimezone(now.tzinfo)


def _any_open(windows: Iterable[Window], scope: Scope, now: datetime) -> bool:
    return any(is_open(w, now) for w in windows if w.scope == scope)


def _shut(scope: Scope, windows: list[Window], now: datetime) -> Shut:
    hours = ", ".join(f"{w.opens}-{w.closes} {w.zone}" for w in windows)
    return Shut(_told(scope), f"outside its windows ({hours})", opens_at(windows, now))


def _covers(scope: Scope, sites: Collection[SiteId], tenants: Collection[TenantId]) -> bool:
    site = scope.site is None or scope.site in sites
    return site and (scope.tenant is None or scope.tenant in tenants)


def _told(scope: Scope) -> str:
    return f"{scope.site or '*'}/{scope.tenant or '*'}"
