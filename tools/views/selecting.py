"""Choosing among things: conditions on their fields, pages, and answers small enough to be read.

Called by the catalogue's tools and by the door, for what people write after `-l` and what a mind asks for. A field
that the kind does not have is refused with those that it has, because it would silently match nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import islice
from typing import Any

from pydantic import Field

from estate.canonical import Json
from estate.errors import BadInput
from estate.records import Model
from tools.views.things import KINDS

_WRITTEN = re.compile(r"\s*([a-z][a-z0-9_.]*)\s*(!=|>=|<=|=|>|<)\s*(.*?)\s*", re.DOTALL)
MOST_ITEMS = 24
"""How long a list may be inside an answer."""


class Operator(StrEnum):
    """How a field is compared. More and less are for numbers."""

    IS = "="
    IS_NOT = "!="
    MORE = ">"
    LESS = "<"
    AT_LEAST = ">="
    AT_MOST = "<="


class Condition(Model):
    """A field, how it is compared, and with what. A list field `=` a value that is in it."""

    field: str = Field(pattern=r"^[a-z][a-z0-9_.]{0,127}$", examples=["state", "contract.deadline"])
    operator: Operator = Operator.IS
    value: str = Field(max_length=256)


def read(text: str) -> tuple[Condition, ...]:
    """Conditions as people write them: `state=failed,capacity_watts>20000`. Raises BadInput."""
    found = []
    for part in text.split(","):
        written = _WRITTEN.fullmatch(part)
        if written is None:
            raise BadInput(f"`{part[:80]}` is no condition; write a field, one of = != > < >= <=, and a value")
        field, operator, value = written.groups()
        found.append(Condition(field=field, operator=Operator(operator), value=value))
    return tuple(found)


def check(kind: str, conditions: Iterable[Condition], own: Iterable[str] = ()) -> None:
    """Refuse fields that things of this kind never have. Raises BadInput."""
    fields = {"id", *own, *(f for model in KINDS.get(kind, ()) for f in model.model_fields)}
    for condition in conditions:
        if condition.field.partition(".")[0] not in fields:
            raise BadInput(f"a {kind} has no field `{condition.field}`; it has {', '.join(sorted(fields))}")


def fits(form: Mapping[str, Json], conditions: Iterable[Condition]) -> bool:
    """Whether all conditions hold."""
    return all(_holds([*_values(dict(form), c.field.split("."))], c) for c in conditions)


def page[T](found: Iterable[T], start: int, limit: int) -> tuple[list[T], int | None]:
    """At most `limit` of them from `start`, and where the next page starts (None: this is the last)."""
    shown = list(islice(found, start, start + limit + 1))
    return shown[:limit], start + limit if len(shown) > limit else None


def shortened(value: Json, path: str = "") -> tuple[Any, dict[str, int]]:
    """The value with long lists cut, and how long each cut list is by its path."""
    if isinstance(value, dict):
        cut: dict[str, int] = {}
        form = {}
        for name, inner in value.items():
            form[name], more = shortened(inner, f"{path}.{name}" if path else name)
            cut |= more
        return form, cut
    if isinstance(value, list):
        parts = [shortened(v, f"{path}.{n}") for n, v in enumerate(value[:MOST_ITEMS])]
        cut = {p: n for _, more in parts for p, n in more.items()}
        if len(value) > MOST_ITEMS:
            cut[path] = len(value)
        return [form for form, _ in parts], cut
    return value, {}


def part(form: Mapping[str, Json], path: str) -> Json:
    """What stands at a path, with numbers for places in lists. Raises BadInput."""
    at: Json = dict(form)
    for step in path.split("."):
        if isinstance(at, dict) and step in at:
            at = at[step]
        elif isinstance(at, list) and step.isdigit() and int(step) < len(at):
            at = at[int(step)]
        else:
            names = ", ".join(sorted(at)) if isinstance(at, dict) else "no names here"
            raise BadInput(f"no field `{path}`; at `{step}` there are {names}")
    return at


def _values(form: Json, path: Sequence[str]) -> Iterator[Json]:
    if isinstance(form, list):
        for one in form:
            yield from _values(one, path)
    elif not path:
        yield form
    elif isinstance(form, dict) and path[0] in form:
        yield from _values(form[path[0]], path[1:])


def _holds(values: Sequence[Json], condition: Condition) -> bool:
    match condition.operator:
        case Operator.IS:
            return any(_text(v) == condition.value for v in values) or (not values and not condition.value)
        case Operator.IS_NOT:
            return all(_text(v) != condition.value for v in values)
        case _:
            return any(_compared(v, condition) for v in values if isinstance(v, int) and not isinstance(v, bool))


def _compared(value: int, condition: Condition) -> bool:
    try:
        bound = int(condition.value)
    except ValueError:
        raise BadInput(f"`{condition.field}{condition.operator.value}{condition.value}` needs a whole number") from None
    match condition.operator:
        case Operator.MORE:
            return value > bound
        case Operator.LESS:
            return value < bound
        case Operator.AT_LEAST:
            return value >= bound
        case _:
            return value <= bound


def _text(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
