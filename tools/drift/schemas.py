"""Shapes out of an API server's OpenAPI v3: merge keys, sets, atoms, quantities, and what it fills in. Pure.

`Schemas` takes the documents of `/openapi/v3/apis/<group>/<version>`; `tools.kubernetes.discovering` reads them. A kind
or field that no document knows is untyped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from estate.canonical import Json
from tools.drift.defaults import DEFAULTS
from tools.drift.shapes import UNTYPED, Shape, Sort

_EXTENSION: Final = "x-kubernetes-"
_PREFIX: Final = "#/components/schemas/"
_QUANTITY: Final = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING: Final = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {"io.k8s.api.core.v1.Taint": ("key", "effect")}
"""Lists that an API server replaces whole, though many write into them: their items are known by these fields."""
_ALIASES: Final = 8

type Document = Mapping[str, Any]


class Schemas:
    """The kinds of some groups and versions."""

    def __init__(self, documents: Iterable[Document] = ()) -> None:
        self._known: dict[str, Document] = {}
        self._kinds: dict[tuple[str, str], str] = {}
        for document in documents:
            self._take(document)

    def of(self, api_version: str, kind: str) -> Shape:
        """The shape of that kind's objects."""
        name = self._kinds.get((api_version, kind))
        return _Typed(self, self._known[name], name) if name is not None else UNTYPED

    def knows(self, api_version: str, kind: str) -> bool:
        """Whether a document spoke of that kind."""
        return (api_version, kind) in self._kinds

    def find(self, name: str) -> Document:
        """A named schema; one that says nothing where it is not known."""
        return self._known.get(name, {})

    def _take(self, document: Document) -> None:
        schemas = _mapping(_mapping(document.get("components")).get("schemas"))
        for name, schema in schemas.items():
            if isinstance(schema, Mapping):
                self._known[name] = schema
                kinds = schema.get(f"{_EXTENSION}group-version-kind")
                for about in kinds if isinstance(kinds, list) and len(kinds) == 1 else ():
                    group, version = _mapping(about).get("group"), _mapping(about).get("version")
                    self._kinds[(f"{group}/{version}" if group else f"{version}", str(about.get("kind")))] = name


@dataclass(frozen=True, slots=True)
class _Typed:
    """One schema, with the name that it is known by."""

    within: Schemas
    schema: Document
    name: str = ""

    @property
    def sort(self) -> Sort:
        if self.name == _QUANTITY or (self._says("int-or-string") and "pattern" in self.schema):
            return Sort.QUANTITY
        if self.name == _INT_OR_STRING or self._says("int-or-string"):
            return Sort.INT_OR_STRING
        if self.schema.get("type") == "array":
            return self._listed()
        return Sort.ATOMIC if self._says("map-type") == "atomic" else Sort.MAP

    @property
    def keys(self) -> Mapping[str, Json]:
        below = self.items()
        told = self._says("list-map-keys") or _KEYS.get(getattr(below, "name", ""), ())
        return {str(key): below.default(str(key), {}) for key in told}

    def part(self, name: str) -> Shape:
        found = _mapping(self.schema.get("properties")).get(name)
        return self._below(found if found is not None else self.schema.get("additionalProperties"))

    def items(self) -> Shape:
        return self._below(self.schema.get("items"))

    def default(self, name: str, within: Mapping[str, Json]) -> Json:
        rule = DEFAULTS.get((self.name.rpartition(".")[2], name))
        if rule is not None:
            return rule(within) if callable(rule) else rule
        told: Json = _mapping(_mapping(self.schema.get("properties")).get(name)).get("default")
        return told if told not in ({}, "", None) else None

    def _listed(self) -> Sort:
        if getattr(self.items(), "name", "") in _KEYS:
            return Sort.KEYED
        match self._says("list-type"):
            case "map":
                return Sort.KEYED
            case "set":
                return Sort.SET
            case _:
                return Sort.ATOMIC

    def _says(self, extension: str) -> Any:
        return self.schema.get(f"{_EXTENSION}{extension}")

    def _below(self, schema: object) -> Shape:
        """A schema, or the one that it refers to. What the field says (list type, default) goes before it."""
        named, found, own = "", _mapping(schema), dict(_mapping(schema))
        for _ in range(_ALIASES):
            reference = _reference(found)
            if reference is None:
                break
            named, found = reference, self.within.find(reference)
        merged = {**found, **{k: v for k, v in own.items() if k not in ("allOf", "$ref", "default")}}
        return _Typed(self.within, merged, named) if merged or named else UNTYPED


def _reference(schema: Document) -> str | None:
    every = schema.get("allOf")
    alone = every[0] if isinstance(every, list) and len(every) == 1 else schema
    target = _mapping(alone).get("$ref")
    return target.removeprefix(_PREFIX) if isinstance(target, str) else None


def _mapping(value: object) -> Document:
    return value if isinstance(value, Mapping) else {}
