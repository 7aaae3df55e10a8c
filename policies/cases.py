"""Cases beside the rules: requests in YAML with what the law must answer, run on a bundle by Cedar itself.

Called by `placet policy test` and by the mutation report. A case says what counts: what it leaves out of a context is
false, 0, empty text or the empty set, so that a field that is new in the schema changes no case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Field, JsonValue, StringConstraints

from estate.canonical import Json
from estate.errors import BadInput
from estate.records import Model, Record
from estate.verdicts import Decision
from policies import combining
from policies.bundle import Answer
from policies.proving.kinds import Kind, Primitive, RecordKind, Schema, SetKind

type Sentence = Annotated[str, StringConstraints(min_length=8, max_length=300)]
type Ask = Callable[[Sequence[dict[str, Any]]], tuple[Answer, ...]]

_NOTHING: Final[Mapping[Primitive, Json]] = {Primitive.BOOL: False, Primitive.LONG: 0, Primitive.STRING: ""}


class Start(Model):
    """A request that cases start from."""

    action: str
    context: dict[str, JsonValue] = Field(default_factory=dict)


class PolicyCase(Model):
    """One case, named by a sentence."""

    says: Sentence
    starts: str = Field(min_length=1)
    """The request that it starts from."""
    but: dict[str, JsonValue] = Field(default_factory=dict)
    """What is otherwise in its context; records within are merged."""
    action: str = ""
    """Another action than that of the start."""
    expect: Decision
    by: tuple[str, ...] = ()
    """Policies that must be among those that decide."""


class PolicyCases(Record):
    """A file of cases."""

    kind: Literal["placet.policy-cases"] = "placet.policy-cases"
    v: Literal[1] = 1
    starts: dict[str, Start] = Field(default_factory=dict)
    """Requests that cases of this and every other file start from."""
    cases: tuple[PolicyCase, ...] = Field(min_length=1, max_length=10_000)


class Tried(Model):
    """What became of one case."""

    says: str
    expect: Decision
    found: Decision
    by: tuple[str, ...]
    why: str = ""
    """What is wrong with it; empty: nothing."""

    @property
    def passes(self) -> bool:
        """Whether the law answers as the case says."""
        return not self.why


def tried(cases: Iterable[PolicyCases], schema: Schema, ask: Ask) -> tuple[Tried, ...]:
    """Every case of every file. Raises BadInput where one does not fit the schema."""
    files = tuple(cases)
    starts = _starts(files)
    pairs = [(case, _request(case, starts, schema)) for file in files for case in file.cases]
    answers = ask([request for _, request in pairs])
    return tuple(_tried(case, answer) for (case, _), answer in zip(pairs, answers, strict=True))


def _tried(case: PolicyCase, answer: Answer) -> Tried:
    found, by = combining.decision([answer]), tuple(r.id for r in answer.rules)
    why = "; ".join(answer.errors)
    if found is not case.expect:
        why = why or f"expected {case.expect.value}, the law says {found.value}"
    elif missing := [p for p in case.by if p not in by]:
        why = why or f"`{missing[0]}` is not among the policies that decide"
    return Tried(says=case.says, expect=case.expect, found=found, by=by, why=why)


def _starts(files: Iterable[PolicyCases]) -> dict[str, Start]:
    found: dict[str, Start] = {}
    for name, start in (pair for file in files for pair in file.starts.items()):
        if name in found:
            raise BadInput(f"the start `{name}` is there twice; name one of them otherwise")
        found[name] = start
    return found


def _request(case: PolicyCase, starts: Mapping[str, Start], schema: Schema) -> dict[str, Any]:
    if (start := starts.get(case.starts)) is None:
        raise BadInput(f"case `{case.says}` starts from `{case.starts}`, which is none of {', '.join(starts)}")
    name = case.action or start.action
    action = schema.actions.get(name)
    if action is None or not action.principals:
        raise BadInput(f"case `{case.says}` is about the action `{name}`, which the schema does not have")
    stated = _merged(start.context, case.but)
    return {
        "principal": {"type": action.principals[0], "id": "somebody"},
        "action": {"type": "Action", "id": name},
        "resource": {"type": action.resources[0], "id": "something"},
        "context": _filled(action.context, stated, f"case `{case.says}`: context"),
    }


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    nested = {
        k: _merged(below[k], v) for k, v in above.items() if isinstance(v, dict) and isinstance(below.get(k), dict)
    }
    return {**below, **above, **nested}


def _filled(kind: Kind, stated: Any, path: str) -> Any:
    """What is stated, and nothing where nothing is. Raises BadInput for what the schema does not know."""
    if not isinstance(kind, RecordKind):
        return stated
    if not isinstance(stated, dict):
        raise BadInput(f"{path} is `{stated}`; the schema has a record there")
    known = dict(kind.attributes)
    if strange := [n for n in stated if n not in known]:
        raise BadInput(f"{path} has no `{strange[0]}`; it has {', '.join(known)}")
    return {n: _filled(a.kind, stated.get(n, _nothing(a.kind, f"{path}.{n}")), f"{path}.{n}")
            for n, a in kind.attributes if a.required or n in stated}  # fmt: skip


def _nothing(kind: Kind, path: str) -> Json:
    match kind:
        case SetKind():
            return []
        case RecordKind():
            return {}
        case Primitive() if kind in _NOTHING:
            return _NOTHING[kind]
        case _:
            raise BadInput(f"{path} must be stated; there is no empty value of its type")
