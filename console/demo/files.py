"""The demo's estate as the files a person would write: `facts.yaml` and `world.yaml`, one device or rack a line."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from console.demo import estate
from estate.records import Record


class _Row(dict[str, Any]):
    """A mapping that is written on one line."""


class _Dumper(yaml.SafeDumper):
    """Knows rows; never writes anchors."""

    def ignore_aliases(self, data: object) -> bool:
        return True


_Dumper.add_representer(
    _Row, lambda dumper, row: dumper.represent_mapping("tag:yaml.org,2002:map", row, flow_style=True)
)


def write(folder: Path, valid_until: datetime, racks: int = 4) -> tuple[Path, Path]:
    """Write both files into `folder`; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    facts, world = folder / "facts.yaml", folder / "world.yaml"
    facts.write_text(_text(estate.facts(valid_until, racks), ("entities", "sites", "racks", "clusters")))
    world.write_text(_text(estate.world(racks), ()))
    return facts, world


def _text(record: Record, rows: tuple[str, ...]) -> str:
    kind, version = record.identity()
    form: dict[str, Any] = {"kind": kind, "v": version, **record.model_dump(mode="json", exclude_defaults=True)}
    for field in rows:
        form[field] = [_Row(item) for item in form[field]]
    for node in form.get("nodes", ()):
        node["accelerators"] = [_Row(a) for a in node["accelerators"]]
    for workload in form.get("workloads", ()):
        workload["contract"] = _Row(workload["contract"])
        workload["bindings"] = [_Row(b) for b in workload["bindings"]]
    return yaml.dump(form, Dumper=_Dumper, sort_keys=False, width=160)
