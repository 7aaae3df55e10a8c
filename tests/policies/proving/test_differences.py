"""Two laws beside each other, and what becomes of a law whose guards are taken away."""

from __future__ import annotations

from dataclasses import replace

import cedarpy
import pytest

from estate.errors import BadInput
from estate.verdicts import Decision
from policies.proving.differences import Difference, differences
from policies.proving.mutations import mutants, report
from policies.proving.witnesses import Case
from tests.policies.proving.laws import SCHEMA, shipped, small

OLD = """@id("p") permit(principal, action, resource);
@id("f") forbid(principal, action, resource) when { context.n > 5 };
@id("a") @requires("operator") forbid(principal, action, resource) when { context.words.contains("ask") };"""


def by_change(old: str, new: str, schema: str = SCHEMA) -> dict[tuple[Decision, Decision], Difference]:
    found = list(differences(small(old), small(new, schema)))
    assert not [d.why for d in found if d.why]
    return {(d.was, d.now): d for d in found}


def test_a_law_does_not_differ_from_itself() -> None:
    assert by_change(OLD, OLD) == {}


def test_a_moved_limit_is_newly_permitted_with_the_request_that_shows_it() -> None:
    found = by_change(OLD, OLD.replace("> 5", "> 6"))
    permitted = found[Decision.FORBID, Decision.PERMIT]
    assert permitted.request["request"]["context"]["n"] == 6  # type: ignore[index,call-overload]
    assert permitted.policies == ("f",)
    assert {*found} == {(Decision.FORBID, Decision.PERMIT), (Decision.FORBID, Decision.NEEDS_APPROVAL)}


def test_an_error_that_a_new_rule_brings_is_newly_forbidden() -> None:
    """Cedar would say Allow, beside an error: the gate does not."""
    found = by_change(OLD, OLD + '@id("g") forbid(principal, action, resource) when { context.n * 2 > 2 && false };')
    example = found[Decision.PERMIT, Decision.FORBID].request["request"]  # type: ignore[index,call-overload]
    assert abs(example["context"]["n"]) > 2**61


def test_a_field_that_only_the_new_schema_knows_is_left_out_for_the_old_law() -> None:
    wider = SCHEMA.replace("n: Long", "n: Long, calm: Bool")
    found = by_change(OLD, OLD + '@id("g") forbid(principal, action, resource) unless { context.calm };', wider)
    assert found[Decision.PERMIT, Decision.FORBID].policies == ("g",)


def test_a_field_that_changed_its_type_is_refused() -> None:
    with pytest.raises(BadInput, match=r"`Do\.n` changed its type"):
        by_change(OLD, '@id("p") permit(principal, action, resource);', SCHEMA.replace("n: Long", "n: String"))


def test_every_guard_of_tier_0_is_noticed_or_redundant() -> None:
    """By the proofs alone: no case is asked. What is redundant is so because the next condition says as much."""
    found = list(report(shipped(), lambda _: ""))
    assert [m for m in found if not m.noticed] == []
    assert {m.policy for m in found} == {p.id for p in shipped().policies if p.tier == 0}
    axes = ("geographic", "legal", "operational", "key")
    assert {m.lost for m in found if m.redundant} <= {f"!(context.{a}.allowed.isEmpty())" for a in axes}


def test_the_loss_that_no_invariant_notices_goes_to_the_cases() -> None:
    law = small(OLD.replace("@requires", "@note"))

    def notices(policies: cedarpy.PolicySet) -> str:
        uids = {n: {"type": t, "id": i} for n, t, i in UIDS}
        case = Case({**uids, "context": {"n": 9, "words": [], **ADDRESSES}})
        return "nine is too many" if replace(law.cedar, policies=policies).ask(case).allowed else ""

    found = {m.policy: m for m in report(law, notices)}
    assert found["f"].case == "nine is too many"
    assert not found["a"].noticed


UIDS = (("principal", "Actor", "a"), ("action", "Action", "Do"), ("resource", "Thing", "t"))
ADDRESSES = {n: {"__extn": {"fn": "ip", "arg": "::1"}} for n in ("ip", "net")}


def test_what_can_be_taken_from_a_policy_always_makes_it_forbid_less() -> None:
    when = "context.n > 1 || !(context.n < 9 && context.words.isEmpty())"
    text = f'@id("f") forbid(principal, action, resource) when {{ {when} }};'
    (policy,) = small(text).policies
    assert len([m for m in mutants(policy) if m.tree is not None]) == 4
