"""The four profiles that come along: what one proposal meets under each, and what a history of files counts for."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

import pytest

from console import profiles
from console.judging import Judging, judge
from estate.errors import BadInput
from estate.law import Certificate, KeyModel
from estate.verdicts import Decision, Verdict
from estate.worlds import HistoryFile, ProposalFile
from policies.bundle import Bundle
from policies.profiles import Profile
from tests import builders

MOVE = {
    "kind": "MoveWorkload",
    "workload": "a-serve",
    "moves": [{"replica": 0, "source": "eu-a1", "target": "eu-b3", "accelerators": [0, 1]}],
}
FENCE = {"kind": "CordonNode", "node": "eu-a1"}
OTTO, OLGA = ({"person": name, "roles": ["operator"]} for name in ("otto", "olga"))
ANNE = {"person": "anne", "roles": ["tenant-owner"], "tenants": ["tenant-a"]}
DAY, NIGHT, SHIFT = "2026-11-25T12:00:00Z", "2026-11-25T22:00:00Z", "2026-11-25T12:45:00Z"


@cache
def law(profile: str) -> Bundle:
    return profiles.bundle(profile)


@cache
def estate(qualified: bool = True) -> Any:
    """The small estate, on clusters whose keys and certificates leave nothing to be desired, or as it is."""
    schemes = ("SecNumCloud", "ISO 27001", "C5")
    until = datetime.fromisoformat("2027-11-25T00:00:00Z")
    held = tuple(Certificate(scheme=s, valid_until=until) for s in schemes)
    better: dict[str, Any] = {"key_model": KeyModel.TENANT_HSM, "certificates": held} if qualified else {}
    known = builders.facts(valid_until=until)
    return builders.estate(law_base=known.model_copy(
        update={"clusters": tuple(c.model_copy(update=better) for c in known.clusters)}
    ))  # fmt: skip


def judged(*changes: dict[str, Any], profile: str, at: str = DAY, on: Any = None, **known: Any) -> Verdict:
    """The verdict with the numbers of a profile; `known` is the history, and the words on the proposal."""
    written = ProposalFile.model_validate({"changes": [*changes], "words": known.pop("words", [])})
    history, moment = HistoryFile.model_validate(known), datetime.fromisoformat(at)
    return judge(Judging(on or estate(), written, history, law(profile), moment))


def rules(found: Verdict) -> set[str]:
    return {f.policy for f in found.failures}


ASKED = {"risk-asks-operators", "risk-asks-owners"}
DIFFERENCES: list[tuple[str, list[dict[str, Any]], str, set[str]]] = [
    ("house", [], DAY, set()),
    ("bank", [], DAY, {"change-window", *ASKED}),
    ("bank", [OTTO, ANNE], DAY, {"change-window"}),
    ("bank", [OTTO], NIGHT, {"risk-asks-owners"}),
    ("bank", [OTTO, ANNE], NIGHT, set()),
    ("bank", [OTTO, ANNE], "2026-12-29T22:00:00Z", {"change-closure"}),
    ("sovereign-cloud", [], DAY, {"risk-asks-owners"}),
    ("sovereign-cloud", [ANNE], DAY, set()),
    ("robotics-edge", [ANNE], DAY, {"change-window"}),
    ("robotics-edge", [ANNE], SHIFT, set()),
    ("media-burst", [], DAY, set()),
    ("media-burst", [], "2027-07-10T12:00:00Z", {"change-closure"}),
]


@pytest.mark.parametrize(("profile", "words", "at", "failed"), DIFFERENCES)
def test_one_move_under_every_profile(profile: str, words: list[dict[str, Any]], at: str, failed: set[str]) -> None:
    found = judged(MOVE, profile=profile, at=at, words=words)
    assert rules(found) == failed
    asked = Decision.NEEDS_APPROVAL if failed <= ASKED else Decision.FORBID
    assert found.decision is (asked if failed else Decision.PERMIT)


@pytest.mark.parametrize("profile", profiles.shipped())
def test_a_fence_is_put_at_any_time_under_every_profile(profile: str) -> None:
    """Containment first: what disturbs nobody waits for no window and no person."""
    assert judged(FENCE, profile=profile).decision is Decision.PERMIT


def test_what_is_large_or_cannot_be_undone_needs_two_people_at_a_bank() -> None:
    caps = [{"kind": "SetPowerCap", "node": n, "watts": 5_000} for n in ("eu-a1", "eu-b1", "us-a1")]
    (asked,) = judged(*caps, profile="bank", at=NIGHT).requirements
    assert (asked.policy, asked.count) == ("risk-asks-operators", 2)
    assert judged(*caps, profile="bank", at=NIGHT, words=[OTTO, OLGA]).decision is Decision.PERMIT
    twice = [OTTO | {"human": "Otto"}, OLGA | {"human": "Otto"}]
    assert judged(*caps, profile="bank", at=NIGHT, words=twice).decision is Decision.NEEDS_APPROVAL


def test_keys_and_certificates_decide_where_a_profile_says_so() -> None:
    plain = estate(qualified=False)
    assert rules(judged(MOVE, profile="house", on=plain)) == set()
    for profile in ("bank", "sovereign-cloud"):
        assert {"key-model", "certified"} <= rules(judged(MOVE, profile=profile, on=plain))


def past(hour: str, *nodes: str) -> dict[str, Any]:
    return {"permitted_at": f"2026-11-25T{hour}:00:00Z", "changes": [FENCE | {"node": n} for n in nodes]}


def test_many_small_changes_of_a_history_are_one_large_one() -> None:
    """Salami: what was decided counts for as long as the profile's window, and no longer."""
    decided = [past("09", "eu-a2"), past("10", "eu-b2")]
    assert judged(FENCE, profile="robotics-edge", at=SHIFT, decided=decided).decision is Decision.PERMIT
    more = [*decided, past("11", "eu-b3", "eu-b4")]
    (failure,) = judged(FENCE, profile="robotics-edge", at=SHIFT, decided=more).failures
    assert failure.policy == "breaker-rate"
    assert failure.found == "5 at site eu-de, where 4 are the most; this proposal included"
    assert failure.obligation.startswith("DORA")
    later = judged(FENCE, profile="robotics-edge", at="2026-11-25T15:02:00Z", decided=more)
    assert later.decision is Decision.PERMIT


def excepted(rule: str = "change-window", until: str = NIGHT, **scope: str) -> dict[str, Any]:
    return {"exceptions": [{"rule": rule, "scope": scope, "by": "ada", "valid_until": until}]}


def broken(seconded_by: str, at: str) -> dict[str, Any]:
    return {"broken_glass": [{"by": "ada", "seconded_by": seconded_by, "seconded_at": f"2026-11-25T{at}:00Z"}]}


@pytest.mark.parametrize(
    ("over", "permitted"),
    [
        (excepted(site="eu-de"), True),
        (excepted(site="us-east"), False),
        (excepted(site="eu-de", until=DAY), False),
        (broken("otto", "11:30"), True),
        (broken("otto", "10:30"), False),
    ],
    ids=["excepted", "elsewhere", "ended", "broken", "an hour ago"],
)
def test_what_a_history_says_gave_way_gives_way(over: dict[str, Any], permitted: bool) -> None:
    found = judged(MOVE, profile="robotics-edge", words=[ANNE], **over)
    assert rules(found) == (set() if permitted else {"change-window"})
    assert [x.policy for x in found.lifted] == (["change-window"] if permitted else [])


@pytest.mark.parametrize(
    ("over", "fault"),
    [
        (excepted("sovereignty-legal", site="eu-de"), "takes none: it is of tier 0"),
        (excepted("frozen", site="eu-de"), "takes none: whoever froze it"),
        (excepted("no-such-rule", site="eu-de"), "there is no such rule"),
        (excepted(), "name a site"),
        (broken("ada", "11:30"), "two humans"),
    ],
)
def test_what_nothing_may_lift_is_refused_in_a_history_too(over: dict[str, Any], fault: str) -> None:
    with pytest.raises(BadInput, match=fault):
        judged(MOVE, profile="house", **over)


def test_the_numbers_are_part_of_what_a_verdict_names() -> None:
    """Gate and executor under other profiles are under another law, and every digest says so."""
    digests = {law(name).digest for name in profiles.shipped()}
    assert len(digests) == len(profiles.shipped()) == 5
    assert Bundle.load(profile=Profile()).digest == law("house").digest
