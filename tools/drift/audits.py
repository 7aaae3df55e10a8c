"""Who wrote an object last, by an API server's audit log: for what leaves no trace in managedFields. Pure.

Called by `placet drift --audit` with the log's lines (`audit.k8s.io/v1`, one event a line). Other lines, reads, refused
requests, dry runs and the cluster's own controllers are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import orjson

from estate.canonical import clean_text
from estate.hands import Hand
from tools.drift.holders import at
from tools.kubernetes import resources

_WRITES: Final = frozenset({"create", "update", "patch", "delete"})
_CONTROLLERS: Final = re.compile(r"system:(node:|kube-|apiserver|serviceaccount:kube-system:)")
_PLURALS: Final = {
    r.plural: r.kind
    for r in (resources.NODES, resources.NAMESPACES, *resources.OWNERS, *resources.APPLIED.values())
}  # fmt: skip
_LONGEST: Final = 128


@dataclass(frozen=True, slots=True)
class Trail:
    """The last write of each object by people and programs, by what people call it."""

    last: Mapping[str, Hand]

    @classmethod
    def of(cls, lines: Iterable[bytes]) -> Trail:
        """The trail of a log, oldest line first."""
        found: dict[str, Hand] = {}
        for line in lines:
            try:
                event = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            called = _called(event) if isinstance(event, dict) else None
            if called is not None and (hand := _hand(event)) is not None:
                found[called] = hand
        return cls(found)


def _called(event: Mapping[str, Any]) -> str | None:
    """The object that was written, or None."""
    of, status = _mapping(event.get("objectRef")), _mapping(event.get("responseStatus"))
    kind, code = _PLURALS.get(str(of.get("resource"))), status.get("code")
    written = event.get("verb") in _WRITES and isinstance(code, int) and 200 <= code < 300
    if kind is None or not written or of.get("subresource") in ("status", "eviction", "binding"):
        return None
    namespace, name = str(of.get("namespace") or ""), str(of.get("name") or "")
    return f"{kind} {f'{namespace}/' if namespace else ''}{name}"


def _hand(event: Mapping[str, Any]) -> Hand | None:
    """Whoever asked, with the manager that they named; None for a dry run and for controllers of the cluster."""
    name = str(_mapping(event.get("user")).get("username") or "")
    asked = parse_qs(urlsplit(str(event.get("requestURI") or "")).query)
    if not name or _CONTROLLERS.match(name) or "dryRun" in asked:
        return None
    named = asked.get("fieldManager", [""])[0]
    told = f"{name} ({named})" if named else name
    return Hand(
        manager=clean_text(told, _LONGEST), operation=str(event["verb"]), at=at(event.get("requestReceivedTimestamp"))
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
