"""What an exported ledger says of changes and of providers, as rows with documented columns (`docs/ledger.md`).

Pure: entries of the install log in, rows out. An erased body leaves its cells empty. Nothing is verified here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from estate.canonical import Json
from policies.ledger.lines import Read
from policies.ledger.port import EntryKind

type Row = Mapping[str, str]

CHANGES: Final = (
    "proposal",
    "incident",
    "proposed_at",
    "proposed_by",
    "on_behalf_of",
    "summary",
    "emergency",
    "changes",
    "rehearsed",
    "decision",
    "decided_at",
    "policies",
    "obligations_failed",
    "approvers",
    "denied_by",
    "rules_digest",
    "facts_digest",
    "issued_at",
    "executor",
    "steps_applied",
    "steps_undone",
    "outcome",
    "outcome_at",
    "reason",
    "owed",
    "lasted",
    "first_entry",
    "last_entry",
)
"""The columns of the change report, after RTS (EU) 2024/1774 Art. 17: who asked, what was assessed, rehearsed, approved
by whom, done, verified or taken back, and where the ledger says so."""

PROVIDERS: Final = (
    "facts_version",
    "in_force_since",
    "provider",
    "provider_name",
    "provider_country",
    "parents",
    "ultimate_parent",
    "role",
    "rank",
    "service",
    "site",
    "data_at_rest",
    "served",
)
"""The columns of the register, after the templates B_02, B_05 and B_07 of ITS (EU) 2024/2956."""


@dataclass(slots=True)
class _Change:
    """One proposal's cells as they become known."""

    cells: dict[str, str]
    approvers: list[str] = field(default_factory=list)
    denied: list[str] = field(default_factory=list)


def changes(entries: Iterable[Read]) -> Iterator[Row]:
    """One row for each proposal, in the order in which they were proposed."""
    known: dict[str, _Change] = {}
    for entry in entries:
        if entry.leaf.proposal is None:
            continue
        change = known.setdefault(entry.leaf.proposal, _Change(dict.fromkeys(CHANGES, "")))
        _note(change, entry)
    for proposal, change in known.items():
        told = {"approvers": "; ".join(change.approvers), "denied_by": "; ".join(change.denied)}
        yield change.cells | {"proposal": proposal} | told


def providers(entries: Iterable[Read]) -> Iterator[Row]:
    """One row for each thing that an entity does for a cluster, for every law base that was in force."""
    for entry in entries:
        if entry.leaf.entry is not EntryKind.FACTS_LOADED or entry.content is None:
            continue
        body = entry.content.body
        since = {"facts_version": _cell(body.get("version")), "in_force_since": entry.leaf.at}
        for row in _list(body.get("services")):
            if isinstance(row, dict):
                yield {name: since.get(name) or _cell(row.get(name)) for name in PROVIDERS}


def _note(change: _Change, entry: Read) -> None:
    leaf, cells = entry.leaf, change.cells
    by = entry.content.by if entry.content else leaf.by
    body: Mapping[str, Json] = entry.content.body if entry.content else {}
    cells["first_entry"] = cells["first_entry"] or str(leaf.index)
    cells["last_entry"] = str(leaf.index)
    match leaf.entry:
        case EntryKind.PROPOSED:
            cells |= {"incident": leaf.incident or "", "proposed_at": leaf.at, "proposed_by": by}
            cells |= _proposed(_dict(body.get("proposal")))
        case EntryKind.DECIDED:
            cells |= {"decided_at": leaf.at} | _decided(_dict(body.get("verdict")))
        case EntryKind.APPROVED:
            change.approvers.append(f"{by} at {leaf.at}")
        case EntryKind.DENIED:
            change.denied.append(f"{by} at {leaf.at}")
        case EntryKind.ISSUED:
            cells["issued_at"] = leaf.at
        case EntryKind.CONSUMED:
            cells["executor"] = by
        case EntryKind.OUTCOME:
            cells |= {"outcome_at": leaf.at} | _ended(body)
        case EntryKind.POST_CHECKED:
            cells["lasted"] = "yes" if body.get("held") is True else "no"
        case _:
            pass


def _proposed(proposal: Mapping[str, Json]) -> dict[str, str]:
    rehearsal = _dict(proposal.get("rehearsal"))
    steps = [_dict(step) for step in _list(proposal.get("steps"))]
    kinds = [f"{n}. {_cell(_dict(step.get('change')).get('kind'))}" for n, step in enumerate(steps, start=1)]
    behind = _dict(proposal.get("on_behalf_of"))
    return {
        "summary": _cell(proposal.get("summary")),
        "emergency": "yes" if proposal.get("lane") == "containment" else "no",
        "changes": "; ".join(kinds),
        "rehearsed": "" if not rehearsal else "feasible" if rehearsal.get("feasible") else "not feasible",
        "on_behalf_of": f"{behind['kind']}:{behind['issuer']}/{behind['name']}" if behind else "",
    }


def _decided(verdict: Mapping[str, Json]) -> dict[str, str]:
    failures = [_dict(f) for f in _list(verdict.get("failures"))]
    return {
        "decision": _cell(verdict.get("decision")),
        "policies": _cell(verdict.get("policies")),
        "owed": "; ".join(_cell(_dict(o).get("kind")) for o in _list(verdict.get("obligations"))),
        "obligations_failed": "; ".join(f"{_cell(f.get('dimension'))} ({_cell(f.get('policy'))})" for f in failures),
        "rules_digest": _cell(verdict.get("bundle")),
        "facts_digest": _cell(verdict.get("facts")),
    }


def _ended(outcome: Mapping[str, Json]) -> dict[str, str]:
    steps = [_dict(step) for step in _list(outcome.get("steps"))]
    return {
        "outcome": _cell(outcome.get("ending")),
        "reason": _cell(outcome.get("reason")),
        "steps_applied": str(sum(step.get("applied") is True for step in steps)),
        "steps_undone": str(sum(step.get("undone") is True for step in steps)),
    }


def _cell(value: Json) -> str:
    match value:
        case None:
            return ""
        case list():
            return "; ".join(_cell(item) for item in value)
        case _:
            return str(value)


def _dict(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
