"""Kubernetes objects as text, the same every time: YAML documents that a person can review, or one JSON list."""

from __future__ import annotations

import json
from collections.abc import Iterable

import yaml

from policies.admission.manifests import Manifest


class _Dumper(yaml.SafeDumper):
    """Writes no anchors: a reader should not have to look up what stands elsewhere."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """CEL is full of quotes: as a block it stands as it is read."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "'" in text else None)


_Dumper.add_representer(str, _text)


def documents(objects: Iterable[Manifest]) -> str:
    """One YAML document an object, for `kubectl apply --server-side -f -`."""
    return yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False, explicit_start=True, allow_unicode=True)


def listed(objects: Iterable[Manifest]) -> str:
    """One JSON list."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [*objects]}, indent=2, ensure_ascii=False) + "\n"
