"""Whether a request has the form that the schema gives its action: Cedar's own check, done once and cheaply.

Cedar skips a policy that errs, and compares what has different types without a word, so nothing that does not fit may
be asked of rules alone. `policies.slices` has Cedar check the form unless this says that it fits, and wherever a schema
uses what is not known here (entities and extensions in a context): a form is never taken on trust.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from keyword import iskeyword
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from estate.errors import BadInput
from policies.proving.kinds import ActionType, Kind, Primitive, RecordKind, SetKind
from policies.proving.schemas import parse

_LONG: Final = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_PLAIN: Final[Mapping[Primitive, Any]] = {Primitive.BOOL: bool, Primitive.LONG: _LONG, Primitive.STRING: str}


class _Unknown(Exception):
    """A type that only Cedar checks."""


@dataclass(frozen=True, slots=True)
class Fitting:
    """The form of the requests of one action."""

    principals: frozenset[str]
    resources: frozenset[str]
    context: msgspec.json.Decoder[Any]

    def fits(self, request: Mapping[str, Any], context: bytes) -> bool:
        """Whether a request with that context, written, has the form. The very text is read that Cedar will read."""
        if request["principal"]["type"] not in self.principals or request["resource"]["type"] not in self.resources:
            return False
        try:
            self.context.decode(context)
        except msgspec.DecodeError:
            return False
        return True


def fittings(schema: str) -> dict[str, Fitting]:
    """Of every action whose form is known here. `schema` is one that Cedar has accepted."""
    try:
        actions = parse(schema).actions
    except BadInput:  # a schema that the proofs do not understand either, and refuse
        return {}
    found = {}
    for name, action in actions.items():
        try:
            found[name] = _fitting(action)
        except _Unknown:
            continue
    return found


def _fitting(action: ActionType) -> Fitting:
    context = msgspec.json.Decoder(_type(action.context))
    return Fitting(frozenset(action.principals), frozenset(action.resources), context)


def _type(kind: Kind) -> Any:
    match kind:
        case RecordKind():
            fields = [_field(name, attribute.kind, attribute.required) for name, attribute in kind.attributes]
            return msgspec.defstruct("Context", fields, kw_only=True, forbid_unknown_fields=True, gc=False)
        case SetKind():
            return list[_type(kind.element)]  # type: ignore[misc]
        case Primitive() if kind in _PLAIN:
            return _PLAIN[kind]
        case _:
            raise _Unknown


def _field(name: str, kind: Kind, required: bool) -> Any:
    if not name.isidentifier() or iskeyword(name):
        raise _Unknown
    return (name, _type(kind)) if required else (name, _type(kind), None)
