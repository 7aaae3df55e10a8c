"""When changes are made: windows and closures by the clock of the place, over daylight saving and past midnight."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from estate.ids import SiteId, TenantId
from estate.modes import Scope
from estate.verdicts import Decision, Dimension
from policies import windows
from policies.profiles import Closure, Day, Profile, Window
from policies.questions import Matter
from policies.standing import Scene, concern, standing
from tests.builders import estate, proposal
from tests.policies.asking import MOVE_A, cordon, dimensions, move, orders, question, verdict
from tests.policies.houses import house

NIGHT = Window(zone="Europe/Berlin", days=(Day.MONDAY, Day.FRIDAY), opens="22:00", closes="04:00")
BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> datetime:
    """A time on Berlin's clocks."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


@pytest.mark.parametrize(
    ("text", "is_open"),
    [
        ("2026-11-23 21:59", False),  # Monday
        ("2026-11-23 22:00", True),
        ("2026-11-24 03:59", True),
        ("2026-11-24 04:00", False),
        ("2026-11-24 22:30", False),
        ("2026-11-28 02:00", True),  # Saturday, opened on Friday
        ("2026-11-23 02:00", False),  # Monday, nothing opened on Sunday
    ],
)
def test_a_window_may_reach_past_midnight(text: str, is_open: bool) -> None:
    assert windows.is_open(NIGHT, at(text)) is is_open


@pytest.mark.parametrize(
    ("day", "hour"), [("2026-03-28", 21), ("2026-03-29", 20), ("2026-10-24", 20), ("2026-10-25", 21)]
)
def test_it_opens_by_the_clock_on_the_wall_whatever_the_season(day: str, hour: int) -> None:
    every = Window(zone="Europe/Berlin", opens="22:00", closes="23:00")
    assert windows.is_open(every, datetime.fromisoformat(f"{day}T{hour}:30:00+00:00"))
    assert not windows.is_open(every, datetime.fromisoformat(f"{day}T{hour + 1}:30:00+00:00"))


HOURS = st.integers(0, 23)
MINUTES_OF_TWO_YEARS = st.integers(0, 2 * 365 * 24 * 60)
ZONES = st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Chatham"])
DAYS = st.lists(st.sampled_from(list(Day)), min_size=1, max_size=3, unique=True).map(tuple)


@given(MINUTES_OF_TWO_YEARS, ZONES, DAYS, HOURS, HOURS)
def test_what_is_shut_opens_when_it_says(minute: int, zone: str, days: Any, opens: int, closes: int) -> None:
    """What would make it permissible is computed, so it has to be true: also over a change of the clocks."""
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    window = Window(zone=zone, days=days, opens=f"{opens:02}:00", closes=f"{closes:02}:00")
    shut = windows.windows_shut(Profile(windows=(window,)), (), (), now)
    assert bool(shut) is not windows.is_open(window, now)
    for one in shut:
        assert one.until is not None
        assert now < one.until <= now + timedelta(days=8)
        assert windows.is_open(window, one.until) or 2 <= opens <= 3, "an hour that the clocks leave out"


EU, US = SiteId("eu-de"), SiteId("us-east")
A, B = TenantId("tenant-a"), TenantId("tenant-b")
SHUT: dict[str, Any] = {"zone": "UTC", "days": (Day.SUNDAY,), "opens": "01:00", "closes": "02:00"}
OPEN: dict[str, Any] = {"zone": "UTC"}
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("made", "names"),
    [
        ((), set()),
        ((Window(**OPEN),), set()),
        ((Window(**SHUT),), {"*/*"}),
        ((Window(**SHUT), Window(**OPEN)), set()),
        ((Window(scope=Scope(site=EU), **SHUT),), {"eu-de/*"}),
        ((Window(scope=Scope(site=US), **SHUT),), set()),
        ((Window(scope=Scope(tenant=A), **SHUT), Window(scope=Scope(site=EU), **OPEN)), {"*/tenant-a"}),
        ((Window(scope=Scope(tenant=B), **SHUT),), set()),
        ((Window(scope=Scope(site=EU, tenant=A), **SHUT),), {"eu-de/tenant-a"}),
    ],
)
def test_one_window_of_each_scope_that_has_some_must_be_open(made: tuple[Window, ...], names: set[str]) -> None:
    found = windows.windows_shut(Profile(windows=made), (EU,), (A,), NOON)
    assert {s.scope for s in found} == names


def _judged(*changes: Any, now: datetime, **numbers: Any) -> Any:
    law, proposed = house(**numbers), proposal(*changes)
    matter = Matter.of(proposed)
    stands = standing(matter, concern(matter, estate()), orders(), Scene(now, law))
    held = {f: getattr(stands, f) for f in ("windows_shut", "closures")}
    return verdict(*changes, bundle=law, now=now, standing=held)


def test_outside_its_window_a_planned_change_waits_and_is_told_until_when() -> None:
    found = _judged(MOVE_A, now=NOON, windows=(Window(scope=Scope(site=EU), **SHUT),))
    assert dimensions(found) == {Dimension.WINDOW}
    assert "opens 2026-11-29T01:00:00" in found.failures[0].found
    later = datetime(2026, 11, 29, 1, 30, tzinfo=UTC)
    assert _judged(MOVE_A, now=later, windows=(Window(scope=Scope(site=EU), **SHUT),)).decision is Decision.PERMIT


def test_a_fence_waits_for_no_window_and_no_closure() -> None:
    quiet = Closure(zone="UTC", first=date(2026, 11, 1), last=date(2026, 11, 30), reason="audit")
    numbers: dict[str, Any] = {"windows": (Window(**SHUT),), "closures": (quiet,)}
    assert _judged(cordon("eu-a1"), now=NOON, **numbers).decision is Decision.PERMIT
    found = _judged(MOVE_A, cordon("eu-a1"), now=NOON, **numbers)
    assert {f.policy for f in found.failures} == {"change-window", "change-closure"}


def test_a_closure_holds_the_days_of_its_place() -> None:
    """The last day ends when it ends there, which is another day elsewhere."""
    quiet = Closure(zone="Pacific/Auckland", first=date(2026, 12, 24), last=date(2026, 12, 26), reason="holidays")
    inside, after = datetime(2026, 12, 23, 12, tzinfo=UTC), datetime(2026, 12, 26, 12, tzinfo=UTC)
    found = _judged(MOVE_A, now=inside, closures=(quiet,))
    assert dimensions(found) == {Dimension.FREEZE}
    assert "holidays, opens 2026-12-26T11:00:00" in found.failures[0].found
    assert _judged(MOVE_A, now=after, closures=(quiet,)).decision is Decision.PERMIT


def test_every_tenant_concerned_counts_not_only_the_first() -> None:
    both = question(proposal(MOVE_A, move("b-train", (0, "eu-a1", "eu-b3", (0, 1, 2, 3))))).matter
    found, profile = concern(both, estate()), Profile(windows=(Window(scope=Scope(tenant=B), **SHUT),))
    assert windows.windows_shut(profile, found.sites, found.tenants, NOON)


@pytest.mark.parametrize(
    "wrong",
    [
        {"zone": "Europe/Bonn"},
        {"zone": "UTC", "opens": "24:00"},
        {"zone": "UTC", "opens": "9:00"},
        {"zone": "UTC", "days": ()},
        {"zone": "../../etc/passwd"},
    ],
)
def test_a_window_that_means_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Window(**wrong)
