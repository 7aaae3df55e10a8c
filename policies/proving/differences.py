"""Two laws beside each other: every way in which some request is answered otherwise, with one such request.

Called by `placet policy diff`. The request is put to both laws by Cedar before it is shown. What only one schema knows
is left out of the request for the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from estate.canonical import Json
from estate.errors import BadInput
from estate.records import Model
from estate.verdicts import Decision
from policies.proving import logic
from policies.proving.kinds import ActionType, EntityType, Kind, RecordKind, Schema
from policies.proving.laws import Law, joint
from policies.proving.logic import Formula
from policies.proving.proofs import PATIENCE
from policies.proving.sheets import Drawing, Outcome, Policy, Sheet
from policies.proving.witnesses import Answered, Case, case_of

PERMIT, ASK, FORBID = Decision.PERMIT, Decision.NEEDS_APPROVAL, Decision.FORBID


class Difference(Model):
    """One way in which requests of some actions are answered otherwise."""

    actions: tuple[str, ...]
    was: Decision
    now: Decision
    policies: tuple[str, ...]
    """Those that decide: of the new law where it forbids, of the old one where it did."""
    request: Json
    why: str = ""
    """What is wrong with the example, if Cedar does not say the same of it."""

    @property
    def newly(self) -> str:
        """In one word."""
        return {PERMIT: "permitted", ASK: "asked", FORBID: "forbidden"}[self.now]


@dataclass(frozen=True, slots=True)
class _Pair:
    """One environment under both laws."""

    old: Law
    new: Law
    sheet: Sheet
    before: Outcome
    after: Outcome

    def differences(self) -> Iterator[Difference]:
        was, now = _decisions(self.before), _decisions(self.after)
        for one in Decision:
            for other in Decision:
                if one is not other and (found := self._difference(one, other, logic.both(was[one], now[other]))):
                    yield found

    def _difference(self, was: Decision, now: Decision, such: Formula) -> Difference | None:
        if logic.fails(such):
            return None
        solver = self.sheet.solver(PATIENCE)
        solver.add(such)
        match str(solver.check()):
            case "unsat":
                return None
            case "unknown":
                raise BadInput(f"the solver gave up on {self.sheet.environment}: {solver.reason_unknown()}; ask again")
            case _:
                return self._shown(was, now, case_of(self.sheet, solver.model()))

    def _shown(self, was: Decision, now: Decision, case: Case) -> Difference:
        before, after = _answered(self.old, case), _answered(self.new, case)
        said = decision_of(self.old, before), decision_of(self.new, after)
        wrong = f"Cedar says {said[0].value} both times: report it" if said[0] is said[1] else ""
        policies = after.policies if now is not PERMIT else before.policies
        return Difference(
            actions=tuple(e.action for e in self.sheet.environments),
            was=was,
            now=now,
            policies=policies,
            request=case.form(),
            why=wrong,
        )


def differences(old: Law, new: Law) -> Iterator[Difference]:
    """Every one, action by action.

    Raises:
        BadInput: an attribute changed its type, so that no request can be put to both.
    """
    both = replace(new, schema=_joined(old.schema, new.schema))
    drawing = Drawing(both.schema, joint((old, new)))
    for sheet in drawing.sheets((*_named("old", old), *_named("new", new))):
        before, after = _of(sheet, "old"), _of(sheet, "new")
        yield from _Pair(old, new, sheet, before, after).differences()


def decision_of(law: Law, answered: Answered) -> Decision:
    """What the gate makes of an answer."""
    if answered.errs:
        return FORBID
    if answered.allowed:
        return PERMIT
    lifted = {p.id for p in law.policies if p.lifted}
    return ASK if answered.policies and lifted.issuperset(answered.policies) else FORBID


def _decisions(outcome: Outcome) -> Mapping[Decision, Formula]:
    permit, asks = outcome.permitted, outcome.asks
    return {PERMIT: permit, ASK: asks, FORBID: logic.no(logic.either(permit, asks))}


_MARK: Final = " "


def _named(side: str, law: Law) -> list[Policy]:
    return [replace(p, id=f"{side}{_MARK}{p.id}") for p in law.policies]


def _of(sheet: Sheet, side: str) -> Outcome:
    return Outcome(tuple(c for c in sheet.outcome.clauses if c.policy.id.startswith(f"{side}{_MARK}")))


def _answered(law: Law, case: Case) -> Answered:
    """Cedar's answer to as much of the request as this law's schema knows; an action it does not know is forbidden."""
    action = law.schema.actions.get(case.request["action"]["id"])
    if action is None or not action.principals:
        return Answered(allowed=False, errs=False, policies=())
    context = _known(action.context, case.request["context"])
    stores = [_known_entity(law.schema, e) for e in case.entities]
    return law.cedar.ask(Case({**case.request, "context": context}, tuple(e for e in stores if e is not None)))


def _known(kind: Kind, value: Any) -> Any:
    if not isinstance(kind, RecordKind):
        return value
    return {n: _known(a.kind, value[n]) for n, a in kind.attributes if n in value}


def _known_entity(schema: Schema, entity: Any) -> Json:
    known = schema.entities.get(entity["uid"]["type"])
    return None if known is None else {**entity, "attrs": _known(known.attributes, entity["attrs"])}


def _joined(old: Schema, new: Schema) -> Schema:
    entities = {n: _both_entities(old.entities.get(n), new.entities.get(n)) for n in {**old.entities, **new.entities}}
    return Schema(
        entities, {n: _both_actions(old.actions.get(n), new.actions.get(n)) for n in {**old.actions, **new.actions}}
    )


def _both_entities(old: EntityType | None, new: EntityType | None) -> EntityType:
    found = new or old
    assert found is not None
    if old is None or new is None:
        return found
    return replace(
        new, parents=old.parents | new.parents, attributes=_records(old.attributes, new.attributes, new.name)
    )


def _both_actions(old: ActionType | None, new: ActionType | None) -> ActionType:
    found = new or old
    assert found is not None
    if old is None or new is None:
        return found
    return replace(new, groups=old.groups | new.groups, context=_records(old.context, new.context, new.name))


def _records(old: RecordKind, new: RecordKind, path: str) -> RecordKind:
    """What either knows; what both know must be of one type."""
    known, found = dict(old.attributes), {**dict(old.attributes), **dict(new.attributes)}
    for name, attribute in new.attributes:
        before = known.get(name)
        if before is None:
            continue
        kind = attribute.kind
        if isinstance(kind, RecordKind) and isinstance(before.kind, RecordKind):
            kind = _records(before.kind, kind, f"{path}.{name}")
        elif kind != before.kind:
            raise BadInput(f"`{path}.{name}` changed its type between the two laws; no request can be put to both")
        found[name] = replace(attribute, kind=kind, required=attribute.required and before.required)
    return RecordKind(tuple(sorted(found.items())))
