"""The law as it is loaded: the Cedar rules of three tiers, validated strictly and parsed once.

Gate and executor load it; it refuses to load rather than to decide on half a law. Tier 0 is locked: every shipped
file must be there word for word, and hold nothing but forbids. The digest names all of it in verdicts and warrants.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import cedarpy

from estate import canonical
from estate.canonical import Json
from estate.errors import BadInput
from estate.identities import Role
from estate.ids import Digest, PolicyId
from estate.verdicts import Dimension
from policies import lifting, slices
from policies.profiles import Profile
from policies.slices import Slice

SHIPPED: Final = Path(__file__).parent / "rules"
VERSION: Final = "VERSION"
REMEMBERED: Final = 4096
"""Answers, of some hundred bytes each; then all are forgotten, and asked anew."""
SCHEMA: Final = "schema.cedarschema"
TIERS: Final = ("tier0", "tier1", "tier2")
LOCKED: Final = (
    "approval-self",
    "facts-complete",
    "law-in-force",
    "mandate",
    "model-reach",
    "sovereignty-geographic",
    "sovereignty-key",
    "sovereignty-legal",
    "sovereignty-operational",
    "system-namespace",
    "tenant-data",
    "tenant-eviction",
    "tenant-isolation",
    "transfers",
)
"""The files of tier 0 without which nothing loads."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One policy as people read it: its annotations."""

    id: PolicyId
    tier: int
    forbids: bool
    reason: str
    dimension: Dimension = Dimension.APPROVAL
    needed: str = ""
    remedy: str = ""
    obligation: str = ""
    requires: Role | None = None
    count: int = 0
    counted_in: str = ""
    """The number in the context that says how many must approve, where that is not always `count`."""
    liftable: bool = False
    """Whether exceptions and broken glass lift it: what tier 1 is not firm about."""
    firm: str = ""
    """Why nothing but what it asks for lifts it, of tier 1."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Cedar's answer to one request: the policies that decided it, and what failed in evaluating it."""

    allowed: bool
    rules: tuple[Rule, ...]
    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A loaded law. Immutable; ask it as often as you like."""

    digest: Digest
    """Of the rules and the profile together."""
    version: int
    """Rises with every release of rules: an older one never follows a newer (`policies.activations`)."""
    rules: Mapping[str, Rule]
    profile: Profile
    slices: Mapping[str, Slice]
    """By action, the policies whose head can match it: Cedar looks at every policy that it is given."""
    texts: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """The files as they were read, by their paths under the root: what a proof is about."""
    _answers: dict[tuple[str | bytes, ...], Answer] = field(default_factory=dict, repr=False, compare=False)
    """By request, those of late. Nothing of an answer depends on anything else (no clock, no entity, no chance)."""

    @classmethod
    def load(cls, root: Path | None = None, profile: Profile | None = None) -> Bundle:
        """Read, check and parse the rules under `root` (the shipped ones by default), with the numbers of a profile.

        Raises:
            BadInput: a file is missing, does not parse, does not fit the schema, or tier 0 is not as shipped.
        """
        law = _shipped_law() if root is None else _Law.read(root)
        numbers = profile or Profile()
        named: list[Json] = [[path, text] for path, text in law.texts]
        digest = canonical.digest_of([*named, ["profile", numbers.json_form()]])
        return cls(digest, law.version, law.rules, numbers, law.slices, law.texts)

    def instead(self, policies: cedarpy.PolicySet) -> Bundle:
        """The same with other policies in force for every action, as no loader would give it: to see what notices."""
        slices = {action: s.instead(policies) for action, s in self.slices.items()}
        return replace(self, slices=slices, _answers={})

    def ask(self, requests: Sequence[Mapping[str, Any]]) -> tuple[Answer, ...]:
        """Cedar's answer to each request. An answer that allows and reports an error is not to be trusted."""
        answers: list[Answer] = []
        for action, asked in groupby(requests, key=lambda r: str(r["action"]["id"])):
            if (known := self.slices.get(action)) is None:
                answers += [Answer(False, (), ()) for _ in asked]  # what the schema does not name nothing permits
                continue
            answers += self._answered(known, [*asked])
        return tuple(answers)

    def _answered(self, known: Slice, asked: Sequence[Mapping[str, Any]]) -> list[Answer]:
        """The answers of one slice. Equal requests have equal answers, and Cedar is asked of each once."""
        posed = [known.pose(request) for request in asked]
        have = {p.name: answer for p in posed if p is not None and (answer := self._answers.get(p.name)) is not None}
        if new := {p.name: p for p in posed if p is not None and p.name not in have}:
            found = dict(zip(new, map(self._answer, known.answers([*new.values()])), strict=True))
            have |= found
            if len(self._answers) > REMEMBERED:
                self._answers.clear()
            self._answers.update(found)
        return [
            self._answer(known.checked(request)) if p is None else have[p.name]
            for request, p in zip(asked, posed, strict=True)
        ]

    def _answer(self, result: Any) -> Answer:
        names = result.diagnostics.id_annotations_by_reason
        rules = tuple(sorted((self.rules[n] for n in names.values()), key=lambda r: (r.tier, r.id)))
        return Answer(bool(result.allowed), rules, tuple(str(e) for e in result.diagnostics.errors))


@dataclass(frozen=True, slots=True)
class _Law:
    """Rules that were read, checked and parsed, without the numbers."""

    texts: tuple[tuple[str, str], ...]
    version: int
    rules: Mapping[str, Rule]
    slices: Mapping[str, Slice]

    @classmethod
    def read(cls, root: Path) -> _Law:
        texts = _read(root)
        _check_locked(texts)
        schema, rules = _schema(texts), _rules(texts)
        joined = "\n".join(text for path, text in texts if path.endswith(".cedar"))
        _validate(joined, schema)
        return cls(tuple(texts), _version(texts), rules, slices.cut(joined, dict(texts)[SCHEMA]))


@cache
def _shipped_law() -> _Law:
    """The shipped rules, once in a process: gate, executors and doors of one start share them."""
    return _Law.read(SHIPPED)


@cache
def shipped_rules() -> Mapping[str, Rule]:
    """The shipped rules by id, for whoever only has to know which there are."""
    return _rules(_read(SHIPPED))


def _read(root: Path) -> list[tuple[str, str]]:
    if not root.is_dir():
        raise BadInput(f"{root}: is no folder of rules; name one, as `policies/rules` of the release is")
    paths = [p for p in root.rglob("*") if p.suffix in {".cedar", ".cedarschema"} or p.name == VERSION]
    texts = sorted((p.relative_to(root).as_posix(), p.read_text(encoding="utf-8")) for p in paths)
    if stray := [path for path, _ in texts if path.endswith(".cedar") and path.split("/")[0] not in TIERS]:
        raise BadInput(f"rule file `{stray[0]}` is in no tier; move it under one of {', '.join(TIERS)}")
    return texts


def _version(texts: Iterable[tuple[str, str]]) -> int:
    """Of rules without one 0, which follows nothing that has one."""
    text = dict(texts).get(VERSION, "0").strip()
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 10):
        raise BadInput(f"`{VERSION}` of the rules holds `{text[:20]}`, not a number; restore it from the release")
    return int(text)


def _check_locked(texts: Iterable[tuple[str, str]]) -> None:
    found = dict(texts)
    for name in LOCKED:
        path = f"tier0/{name}.cedar"
        if path not in found:
            raise BadInput(f"tier-0 file `{path}` is missing; restore it from the release")
        if found[path] != (SHIPPED / path).read_text(encoding="utf-8"):
            raise BadInput(f"tier-0 file `{path}` differs from the shipped one; tier 0 is locked, restore it")


def _schema(texts: Iterable[tuple[str, str]]) -> cedarpy.Schema:
    text = dict(texts).get(SCHEMA, "")
    if not text.strip():
        raise BadInput("`schema.cedarschema` is missing or empty; restore it from the release")
    try:
        return cedarpy.Schema.from_str(text)
    except ValueError as error:
        raise BadInput(f"`schema.cedarschema` is not a Cedar schema: {error}") from error


def _validate(text: str, schema: cedarpy.Schema) -> None:
    result = cedarpy.validate_policies(text, schema)
    if not result.validation_passed:
        faults = "; ".join(str(e) for e in result.errors) or "no reason given"
        raise BadInput(f"the rules do not fit `schema.cedarschema`: {faults}")


def _rules(texts: Iterable[tuple[str, str]]) -> dict[str, Rule]:
    rules: dict[str, Rule] = {}
    for path, text in texts:
        if not path.endswith(".cedar"):
            continue
        for rule in _rules_in(path, text):
            if rule.id in rules:
                raise BadInput(f"`{path}`: policy id `{rule.id}` is used twice; choose another")
            rules[rule.id] = rule
    return rules


def _rules_in(path: str, text: str) -> list[Rule]:
    try:
        form: dict[str, Any] = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as error:
        raise BadInput(f"`{path}` does not parse: {error}") from error
    if form.get("templates") or form.get("templateLinks"):
        raise BadInput(f"`{path}` holds a template; write whole policies")
    found = [_rule(path, policy) for policy in form.get("staticPolicies", {}).values()]
    if not found:
        raise BadInput(f"`{path}` holds no policy; write one or remove the file")
    return found


def _rule(path: str, policy: Mapping[str, Json]) -> Rule:
    notes = policy.get("annotations") or {}
    assert isinstance(notes, dict)
    tier, forbids = TIERS.index(path.split("/", maxsplit=1)[0]), policy.get("effect") == "forbid"
    for name in ("id", "reason", *(("dimension", "remedy") if forbids else ())):
        if not notes.get(name):
            raise BadInput(f"`{path}`: a policy has no `@{name}`; say it there")
    if tier < 2 and not forbids:
        raise BadInput(f"`{path}`: `{notes['id']}` permits; tier {tier} holds forbids only")
    if forbids and bool(notes.get("requires")) is not (tier == 2):
        raise BadInput(f"`{path}`: `{notes['id']}`: `@requires` belongs on the forbids of tier 2, and on each of them")
    if fault := lifting.fault(tier, str(notes["id"]), bool(notes.get("firm")), policy):
        raise BadInput(f"`{path}`: `{notes['id']}` {fault}")
    noted = _noted(path, tier, forbids, {str(k): str(v) for k, v in notes.items()})
    return replace(noted, liftable=lifting.liftable(policy))


def _noted(path: str, tier: int, forbids: bool, notes: Mapping[str, str]) -> Rule:
    try:
        return Rule(
            id=PolicyId(notes["id"]),
            tier=tier,
            forbids=forbids,
            reason=notes["reason"],
            dimension=Dimension(notes.get("dimension", Dimension.APPROVAL.value)),
            needed=notes.get("needed", ""),
            remedy=notes.get("remedy", ""),
            obligation=notes.get("obligation", ""),
            requires=Role(notes["requires"]) if "requires" in notes else None,
            count=int(notes.get("count", "1")) if "requires" in notes else 0,
            counted_in=notes.get("counted_in", ""),
            firm=notes.get("firm", ""),
        )
    except ValueError as error:
        raise BadInput(f"`{path}`: `{notes['id']}`: {error}; see `estate.verdicts` and `estate.identities`") from error
