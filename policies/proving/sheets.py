"""One request environment (an action, a type of principal, a type of resource) with every policy translated in it.

Environments whose policies come to the same formulas are one sheet: five kinds of change under the same rules are
proved once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import z3
from cedarpy import pst

from policies.proving import logic
from policies.proving.kinds import ActionType, EntityKind, Kind, RecordKind, Schema
from policies.proving.logic import Formula
from policies.proving.strings import Pattern, Strings, pattern_of
from policies.proving.translating import Translation, Unsupported, Worth
from policies.proving.values import Fields, Known, Space, Value, constant


@dataclass(frozen=True, slots=True)
class Environment:
    """What kind of request it is."""

    action: str
    principal: str
    resource: str
    context: RecordKind

    def __str__(self) -> str:
        return f"{self.action} by {self.principal} on {self.resource}"


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy as it is proved: the id that people know it by, and its tree."""

    id: str
    tier: int
    tree: pst.Template
    lifted: bool = False
    """Whether it is a forbid that an approval lifts."""

    @property
    def forbids(self) -> bool:
        """Whether it forbids."""
        return self.tree.effect == "forbid"


@dataclass(frozen=True, slots=True)
class Clause:
    """One policy in one environment."""

    policy: Policy
    satisfied: Formula
    errs: Formula

    def told(self) -> Iterator[Formula]:
        """Names for both, to be read off a model: evaluating a formula about sets in a model may come to nothing.

        Not as equalities: the solver would put the formula back for the name.
        """
        for name, formula in (("satisfied", self.satisfied), ("errs", self.errs)):
            told = _told(self.policy.id, name)
            yield z3.Implies(told, formula)
            yield z3.Implies(formula, told)

    def read(self, model: z3.ModelRef) -> tuple[bool, bool]:
        """Whether it is satisfied and whether it errs, in a model of what was `told`."""
        found = [model.eval(_told(self.policy.id, n)) for n in ("satisfied", "errs")]
        return bool(z3.is_true(found[0])), bool(z3.is_true(found[1]))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a bundle answers in one environment, as formulas that exclude each other."""

    clauses: tuple[Clause, ...]

    @property
    def allowed(self) -> Formula:
        """Cedar's Allow: some permit and no forbid, whatever errs beside them."""
        permits = logic.some(c.satisfied for c in self.clauses if not c.policy.forbids)
        return logic.both(permits, logic.no(logic.some(c.satisfied for c in self.clauses if c.policy.forbids)))

    @property
    def errs(self) -> Formula:
        """Whether any policy is skipped."""
        return logic.some(c.errs for c in self.clauses)

    @property
    def permitted(self) -> Formula:
        """The gate's permit: Allow, and not an error anywhere."""
        return logic.both(self.allowed, logic.no(self.errs))

    @property
    def asks(self) -> Formula:
        """Needs-approval: a permit speaks, every forbid that does is one that an approval lifts, and nothing errs."""
        permits = logic.some(c.satisfied for c in self.clauses if not c.policy.forbids)
        lifted = logic.some(c.satisfied for c in self.clauses if c.policy.forbids and c.policy.lifted)
        bars = logic.some(c.satisfied for c in self.clauses if c.policy.forbids and not c.policy.lifted)
        return logic.every([permits, lifted, logic.no(bars), logic.no(self.errs)])


@dataclass(frozen=True)
class Sheet:
    """An environment, its unknowns, and what the policies come to."""

    environments: tuple[Environment, ...]
    space: Space
    variables: Mapping[pst.VarName, Value]
    outcome: Outcome
    settled: tuple[Formula, ...] = field(compare=False)
    """What every store and every request of the schema keeps."""

    @property
    def environment(self) -> Environment:
        """The first of those that are alike."""
        return self.environments[0]

    @property
    def context(self) -> Fields:
        """The unknown context."""
        found = self.variables["context"]
        assert isinstance(found, Fields)
        return found

    def clause(self, environment: Environment, policy: Policy) -> Clause | None:
        """One more policy in one of the environments. Raises Unsupported."""
        variables = {**self.variables, "action": Known(environment.action)}
        return _clause(Translation(self.space, variables), policy)

    def solver(self, milliseconds: int) -> z3.Solver:
        """A solver that knows what is settled, and gives up after that time."""
        found = z3.Solver()
        found.set("timeout", milliseconds)
        found.add(*self.settled)
        for clause in self.outcome.clauses:
            found.add(*clause.told())
        return found


def environments(schema: Schema) -> Iterator[Environment]:
    """Every kind of request that the schema admits."""
    for action in schema.actions.values():
        yield from _of_action(action)


def _of_action(action: ActionType) -> Iterator[Environment]:
    for principal in action.principals:
        for resource in action.resources:
            yield Environment(action.name, principal, resource, action.context)


def patterns(policies: Sequence[Policy]) -> tuple[Pattern, ...]:
    """Every pattern of `like`."""
    found: dict[Pattern, None] = {}
    todo: list[Any] = [c.expr for p in policies for c in p.tree.clauses]
    while todo:
        node = todo.pop()
        if isinstance(node, pst.Like):
            found[pattern_of(node)] = None
        todo += _below(node)
    return tuple(found)


def _below(node: Any) -> Iterator[Any]:
    for name in getattr(node, "__dataclass_fields__", ()):
        held = getattr(node, name)
        yield from held.values() if isinstance(held, Mapping) else held if isinstance(held, tuple) else (held,)


@dataclass(frozen=True)
class Drawing:
    """How sheets are made: one set of strings for all of them."""

    schema: Schema
    strings: Strings
    ids: Strings = field(default_factory=Strings)

    def sheet(self, environment: Environment, policies: Sequence[Policy]) -> Sheet:
        """Every policy in that environment. Raises Unsupported."""
        space = Space(self.schema, self.strings, self.ids)
        variables: Mapping[pst.VarName, Value] = {
            "principal": space.unknown(EntityKind(environment.principal), "principal", constant),
            "action": Known(environment.action),
            "resource": space.unknown(EntityKind(environment.resource), "resource", constant),
            "context": space.unknown(environment.context, "context", constant),
        }
        translation = Translation(space, variables)
        clauses = tuple(c for p in policies if (c := _clause(translation, p)) is not None)
        return Sheet((environment,), space, variables, Outcome(clauses), tuple(space.consistent()))

    def sheets(self, policies: Sequence[Policy]) -> tuple[Sheet, ...]:
        """All of them, those that are alike together."""
        found: dict[object, Sheet] = {}
        for environment in environments(self.schema):
            made = self.sheet(environment, policies)
            key = _key(made)
            if (known := found.get(key)) is not None:
                made = replace(known, environments=(*known.environments, environment))
            found[key] = made
        return tuple(found.values())


def _told(policy: str, what: str) -> Formula:
    return z3.Bool(f"policy {policy}: {what}")


def _clause(translation: Translation, policy: Policy) -> Clause | None:
    """None where the policy can neither hold nor err."""
    try:
        found: Worth = translation.policy(policy.tree)
    except Unsupported as error:
        raise Unsupported(f"policy `{policy.id}`: the proofs do not understand {error}; say it otherwise") from error
    except (z3.Z3Exception, AssertionError, KeyError, NotImplementedError) as error:
        raise Unsupported(
            f"policy `{policy.id}`: the proofs do not understand it ({error}); say it otherwise"
        ) from error
    if logic.fails(found.truth) and logic.fails(found.errs):
        return None
    return Clause(policy, logic.both(found.truth, logic.no(found.errs)), found.errs)


def _key(sheet: Sheet) -> tuple[str, str, Kind, tuple[tuple[str, int, int], ...]]:
    env = sheet.environment
    said = tuple((c.policy.id, c.satisfied.get_id(), c.errs.get_id()) for c in sheet.outcome.clauses)
    return env.principal, env.resource, env.context, said
