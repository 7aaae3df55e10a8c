"""Write the files that people read and `files` reads back: YAML without defaults, a line for each plain thing."""

from __future__ import annotations

from typing import Any

import yaml

from estate.records import Record

_BASE: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


_ONE_LINE = 1_000_000
"""Wider than any row."""


class _Row(dict[str, Any]):
    """A mapping that is written on one line."""


class _Dumper(_BASE):  # type: ignore[misc]
    """Knows rows; never writes anchors."""

    def ignore_aliases(self, data: object) -> bool:
        return True


_Dumper.add_representer(
    _Row, lambda dumper, row: dumper.represent_mapping("tag:yaml.org,2002:map", row, flow_style=True)
)


def text(record: Record, schema: str = "") -> str:
    """The record as YAML. `schema` is where an editor finds its JSON Schema."""
    kind, version = record.identity()
    said = _said(record.model_dump(mode="json"), record.model_dump(mode="json", exclude_defaults=True))
    form = {"kind": kind, "v": version, **{name: _rows(value) for name, value in said.items()}}
    head = f"# yaml-language-server: $schema={schema}\n" if schema else ""
    return head + str(yaml.dump(form, Dumper=_Dumper, sort_keys=False, width=_ONE_LINE))


def _said(whole: Any, without_defaults: Any) -> Any:
    """What is not a default, and `kind` first: it has one, and says what the rest is."""
    if isinstance(without_defaults, dict):
        kind = {"kind": whole["kind"]} if "kind" in whole else {}
        return kind | {name: _said(whole[name], inner) for name, inner in without_defaults.items()}
    if isinstance(without_defaults, list):
        return [_said(one, other) for one, other in zip(whole, without_defaults, strict=True)]
    return without_defaults


def _rows(value: Any) -> Any:
    if isinstance(value, dict):
        written = {key: _rows(inner) for key, inner in value.items()}
        return _Row(written) if all(_short(v) for v in written.values()) else written
    return [_rows(inner) for inner in value] if isinstance(value, list) else value


def _short(value: Any) -> bool:
    """Whether it fits on a line with others: a word, or a list of words."""
    listed = value if isinstance(value, list) else [value]
    return not any(isinstance(v, dict | list) for v in listed)
