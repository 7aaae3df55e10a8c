"""The rules cut by action: of each request Cedar looks at those policies alone whose head can match its action.

Cut once, when a bundle is loaded (`policies.bundle`). A policy is left out of a slice only where its scope names
actions or groups and none of them is the slice's action or above it: Cedar's own answer to such a head is "no match",
whatever the request holds. Proofs and the mutation report read the whole text; a test holds slices against it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import cedarpy
import orjson

from policies.fittings import Fitting, fittings


class Posed(NamedTuple):
    """A request as Cedar takes it."""

    name: tuple[str | bytes, ...]
    """Of equal requests the same: what an answer depends on, and nothing else. Its context stands there as a digest."""
    written: dict[str, Any]
    fits: bool
    """Whether it is known to have the form that the schema gives it."""


@dataclass(frozen=True, slots=True)
class Slice:
    """What Cedar is given for one action."""

    policies: cedarpy.PolicySet
    actions: cedarpy.Entities
    """The actions and their groups, and nothing else: without them no rule on a group would ever match."""
    schema: cedarpy.Schema
    fitting: Fitting | None
    anybodys: bool
    """Whether no policy asks who does it to which thing: then whoever it is, the answer is the same."""

    def pose(self, request: Mapping[str, Any]) -> Posed | None:
        """The request as Cedar takes it, and its name; None where its context cannot be written."""
        try:
            text = orjson.dumps(request["context"])
        except orjson.JSONEncodeError:
            return None
        fits = self.fitting is not None and self.fitting.fits(request, text)
        whose = () if fits and self.anybodys else (_id(request["principal"]), _id(request["resource"]))
        named = request["action"]["id"], *whose, hashlib.sha256(text).digest()
        return Posed(named, {**request, "context": text.decode()}, fits)

    def answers(self, posed: Sequence[Posed]) -> list[cedarpy.AuthzResult]:
        """Cedar's answers. It checks the form of what is not known to have it."""
        schema = None if all(p.fits for p in posed) else self.schema
        return cedarpy.is_authorized_batch([p.written for p in posed], self.policies, self.actions, schema)

    def checked(self, request: Mapping[str, Any]) -> cedarpy.AuthzResult:
        """Cedar's answer to what cannot be written here: it says why."""
        return cedarpy.is_authorized(dict(request), self.policies, self.actions, self.schema)

    def instead(self, policies: cedarpy.PolicySet) -> Slice:
        """The same with other policies."""
        return replace(self, policies=policies, anybodys=False)


def cut(policies: str, schema: str) -> dict[str, Slice]:
    """For every action of the schema, the policies that may apply to it: by its name, its groups, or any."""
    forms: dict[str, Any] = json.loads(cedarpy.policies_to_json_str(policies))["staticPolicies"]
    parsed = cedarpy.Schema.from_str(schema)
    actions = cedarpy.Entities.from_json_str("[]", parsed)
    known = fittings(schema)
    slices = {}
    for action, names in _above(actions).items():
        chosen = {n: p for n, p in forms.items() if not (wanted := _scope(p)) or not wanted.isdisjoint(names)}
        anybodys = not any(_names_anybody(p) for p in chosen.values())
        slices[action] = Slice(_set(chosen), actions, parsed, known.get(action), anybodys)
    return slices


def _set(chosen: Mapping[str, Any]) -> cedarpy.PolicySet:
    form = {"staticPolicies": chosen, "templates": {}, "templateLinks": []}
    return cedarpy.PolicySet.from_str(cedarpy.policies_from_json_str(json.dumps(form)))


def _names_anybody(policy: Mapping[str, Any]) -> bool:
    """Whether a policy speaks of principal or resource at all: in its scope, or anywhere in what it says."""
    scoped = any(policy[part]["op"] != "All" for part in ("principal", "resource"))
    said = json.dumps(policy["conditions"])
    return scoped or '{"Var": "principal"}' in said or '{"Var": "resource"}' in said


def _id(entity: Mapping[str, str]) -> str:
    return f"{entity['type']}::{entity['id']}"


def _scope(policy: Mapping[str, Any]) -> frozenset[str]:
    """The actions and groups that a policy names in its scope; empty: every action."""
    scope = policy["action"]
    entities = [scope["entity"]] if "entity" in scope else scope.get("entities", [])
    return frozenset(str(e["id"]) for e in entities)


def _above(actions: cedarpy.Entities) -> dict[str, frozenset[str]]:
    """Every action with itself and all groups above it."""
    known = json.loads(str(actions))
    above = {e["uid"]["id"]: {p["id"] for p in e["parents"]} for e in known}
    for _ in above:
        above = {name: parents.union(*(above[p] for p in parents)) for name, parents in above.items()}
    return {name: frozenset({name, *parents}) for name, parents in above.items()}
