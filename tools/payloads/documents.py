"""JSON, or YAML as `kubectl -o yaml` writes it: several documents, and no more of YAML than JSON has.

Refused: anchors and mentions (a small body could become a large value), tags, keys that are no text, duplicate keys. A
time stays text, and so does everything else that YAML alone would make a type of.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

from estate.errors import BadInput
from tools.payloads import reading

MOST_DOCUMENTS = 1_000
_PLAIN = "tag:yaml.org,2002:"
_TYPES = frozenset({"null", "bool", "int", "float", "str", "map", "seq"})


def load(body: bytes) -> list[object]:
    """Every document of the body.

    Raises:
        BadInput: it is neither JSON nor this YAML.
    """
    text = reading.decoded(body)
    if text.lstrip().startswith(("{", "[")):
        return [reading.load(text)]
    try:
        _guard(text)
        return list(yaml.load_all(text, Loader=_Loader))
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError, ArithmeticError) as error:
        raise BadInput(f"neither JSON nor YAML that can be trusted: {reading.shown(error)}") from error


def _guard(text: str) -> None:
    depth = documents = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise BadInput("an anchor or alias in YAML; write the value out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        documents += isinstance(event, yaml.DocumentStartEvent)
        if depth > reading.DEEPEST or documents > MOST_DOCUMENTS:
            raise BadInput(f"over {reading.DEEPEST} levels or {MOST_DOCUMENTS} documents of YAML; send less at once")


class _Loader(yaml.SafeLoader):
    """Types of JSON, and text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        found: dict[Hashable, Any] = super().construct_mapping(node, deep)
        if len(found) != len(node.value) or not all(isinstance(key, str) for key in found):
            raise ValueError("a key is there twice, or is no text")
        return found


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in ways if tag.removeprefix(_PLAIN) in _TYPES]
    for first, ways in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
