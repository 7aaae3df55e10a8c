"""Asking Cedar less changes no answer: what a slice leaves out, what is not checked twice, what is remembered."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cedarpy
import pytest

from policies.bundle import SCHEMA, SHIPPED, Answer, Bundle
from policies.fittings import fittings
from policies.proving.kinds import Kind, Primitive, RecordKind, SetKind
from policies.proving.schemas import parse
from tests.policies.asking import law

SCHEMA_TEXT = (SHIPPED / SCHEMA).read_text(encoding="utf-8")
ACTIONS = {a.name: a for a in parse(SCHEMA_TEXT).actions.values() if a.resources}
_PLAIN: dict[Kind, Any] = {Primitive.BOOL: False, Primitive.LONG: 7, Primitive.STRING: "agent"}


def value(kind: Kind) -> Any:
    match kind:
        case RecordKind():
            return {name: value(a.kind) for name, a in kind.attributes}
        case SetKind():
            return [value(kind.element)]
        case _:
            return _PLAIN[kind]


def request(action: str, context: Any = None, *, principal: str = "agent:test/a", about: str = "x") -> dict[str, Any]:
    return {
        "principal": {"type": "Actor", "id": principal},
        "action": {"type": "Action", "id": action},
        "resource": {"type": ACTIONS[action].resources[0], "id": about},
        "context": value(ACTIONS[action].context) if context is None else context,
    }


def test_what_a_slice_leaves_out_has_a_head_that_cedar_itself_does_not_match() -> None:
    """Each left-out policy with nothing but its head, asked of Cedar for a request that the slice is for."""
    text = "\n".join(t for path, t in law().texts if path.endswith(".cedar"))
    forms = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]
    for action in ACTIONS:
        served = law().slices[action]
        kept = json.loads(cedarpy.policies_to_json_str(str(served.policies)))["staticPolicies"].values()
        names = {p["annotations"]["id"] for p in kept}
        left = {n: p for n, p in forms.items() if p["annotations"]["id"] not in names}
        bare = {n: p | {"effect": "permit", "conditions": []} for n, p in left.items()}
        heads = cedarpy.policies_from_json_str(
            json.dumps({"staticPolicies": bare, "templates": {}, "templateLinks": []})
        )
        found = cedarpy.is_authorized(request(action), heads, served.actions)
        assert names, action
        assert not found.allowed, (action, found.diagnostics.reasons)
        assert not found.diagnostics.errors


def spoiled(kind: RecordKind, right: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The context with one thing wrong: a field of another type, one that is missing, one too many."""
    yield right | {"stranger": True}
    for name, attribute in kind.attributes:
        if attribute.required:
            yield {n: v for n, v in right.items() if n != name}
        for wrong in (None, 2**63, 1.5, [1], {"odd": 1}, "text" if not isinstance(right[name], str) else False):
            if wrong != right[name]:
                yield right | {name: wrong}
        if isinstance(attribute.kind, RecordKind):
            yield from (right | {name: inner} for inner in spoiled(attribute.kind, right[name]))


@pytest.mark.parametrize("action", ACTIONS)
def test_a_context_fits_exactly_where_the_schema_takes_it(action: str) -> None:
    """And what does not fit is put to Cedar with its schema, which refuses it: an ill-typed forbid would be silent."""
    served, fitting = law().slices[action], fittings(SCHEMA_TEXT)[action]
    right = value(ACTIONS[action].context)
    assert fitting.fits(request(action), json.dumps(right).encode())
    for number, wrong in enumerate(spoiled(ACTIONS[action].context, right)):
        assert not fitting.fits(request(action), json.dumps(wrong).encode()), wrong
        if number % 7 == 0:  # Cedar's word on some of them: a tenth of a millisecond each
            (answer,) = law().ask([request(action, wrong)])
            assert answer.errors or not answer.allowed, wrong
            assert not served.checked(request(action, wrong)).allowed, wrong
    assert not fitting.fits(request(action) | {"resource": {"type": "Tenant_", "id": "x"}}, json.dumps(right).encode())


@pytest.mark.parametrize("action", ACTIONS)
def test_without_the_schema_cedar_answers_what_fits_the_same(action: str) -> None:
    served = law().slices[action]
    posed = served.pose(request(action))
    assert posed is not None
    assert posed.fits
    (bare,), (full,) = (served.answers([posed._replace(fits=fits)]) for fits in (True, False))
    assert (bare.allowed, {*bare.diagnostics.reasons}) == (full.allowed, {*full.diagnostics.reasons})
    assert not full.diagnostics.errors


def test_what_is_remembered_of_one_is_told_to_another_only_where_no_rule_names_anybody(tmp_path: Path) -> None:
    rules = Path(shutil.copytree(SHIPPED, tmp_path / "rules"))
    named = '@id("not-him") @dimension("operational") @reason("r") @remedy("m")\n'
    named += 'forbid(principal == Actor::"agent:test/b", action in Action::"ChangeNode", resource);\n'
    (rules / "tier1" / "own.cedar").write_text(named, encoding="utf-8")
    bundle = Bundle.load(rules)

    def asked(principal: str) -> Answer:
        (answer,) = bundle.ask([request("CordonNode", principal=principal)])
        return answer

    assert "not-him" not in {r.id for r in asked("agent:test/a").rules}
    assert "not-him" in {r.id for r in asked("agent:test/b").rules}
    assert [s.anybodys for s in map(bundle.slices.__getitem__, ("CordonNode", "Execute"))] == [False, True]
    assert law().slices["CordonNode"].anybodys
