"""Read the files that people write: facts, worlds, change files. Used by the CLI, `placet init`, the demo and evals.

Every error is a `BadInput` that names the file, the line where one is known, the field, the offending value and what
to do. What is read is also put through its canonical form, so that text nobody could sign is refused here.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from estate.canonical import Json
from estate.errors import BadInput, NewerRecord
from estate.law import Facts
from estate.records import Record
from estate.worlds import ChangeFile, EstateFile, HistoryFile, ProposalFile, World
from policies import jurisdictions
from policies.cases import PolicyCases
from policies.jurisdictions import NoCountry
from policies.profiles import Profile
from tools.inventory import documents
from tools.inventory.documents import Document

KINDS: dict[str, type[Record]] = {
    "facts": Facts,
    "world": World,
    "estate": EstateFile,
    "change-file": ChangeFile,
    "proposal-file": ProposalFile,
    "history": HistoryFile,
    "profile": Profile,
    "policy-cases": PolicyCases,
}
"""The kinds of files, by the word after `placet.`."""

_REMEDIES = {
    "missing": "add this field",
    "extra_forbidden": "remove the field or correct its name",
    "string_type": "write text (in quotes where it looks like a number)",
    "int_type": "write an integer",
    "int_parsing": "write an integer",
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
    "string_pattern_mismatch": "use the form that the pattern asks for",
    "too_short": "add at least one entry",
    "union_tag_not_found": "name the kind in `kind`",
    "union_tag_invalid": "correct the kind",
}


def load_facts(path: Path) -> Facts:
    """The law base in that file, not yet signed, its groups of jurisdictions expanded. Raises BadInput."""
    document = documents.parse(read(path), str(path))
    if not isinstance(document.value, dict):
        return fit(Facts, document)
    try:
        return fit(Facts, replace(document, value=jurisdictions.shipped().expanded(document.value)))
    except NoCountry as error:
        raise BadInput(f"{document.place(error.path)}: {error}") from error


def load_world(path: Path) -> World:
    """The nodes and workloads that a twin starts with. Raises BadInput."""
    return parse(World, read(path), str(path))


def load_change_file(path: Path) -> ChangeFile:
    """The summary and changes of `placet propose -f`. Raises BadInput."""
    return parse(ChangeFile, read(path), str(path))


def parse[R: Record](kind: type[R], data: bytes, name: str) -> R:
    """The record of `kind` written in `data`, YAML or JSON; `name` is what errors call the file. Raises BadInput."""
    return fit(kind, documents.parse(data, name))


def fit[R: Record](kind: type[R], document: Document) -> R:
    """The record of `kind` that a parsed document is. Raises BadInput."""
    try:
        found = kind.read(_mapping(document, kind))
    except BadInput as error:
        raise BadInput(_explained(document, error)) from error
    except NewerRecord as error:
        raise NewerRecord(f"{document.name}: {error}") from error
    try:
        found.canonical()
    except BadInput as error:
        raise BadInput(f"{document.name}: {error}") from error
    return found


def schema(kind: str) -> dict[str, Any]:
    """The JSON Schema of a kind of file, by the word after `placet.`.

    Raises:
        BadInput: no such kind.
    """
    model = KINDS.get(kind.removeprefix("placet."))
    if model is None:
        raise BadInput(f"`{kind}` is not a kind of file; use one of {', '.join(f'`{k}`' for k in KINDS)}")
    return schema_of(model)


def schema_of(model: type[Record]) -> dict[str, Any]:
    """The JSON Schema of a file that is written as this record."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **model.model_json_schema(mode="validation"),
    }


def read(path: Path) -> bytes:
    """The bytes of a file that may be read whole. Raises BadInput."""
    try:
        if path.stat().st_size > documents.LARGEST_FILE:
            raise BadInput(f"{path}: larger than the {documents.LARGEST_FILE} bytes a file may have; split it")
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); check the name and its permissions") from error


def changed_at(path: Path) -> datetime:
    """When the file was written last. Raises BadInput."""
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); check the name and its permissions") from error


def _mapping(document: Document, kind: type[Record]) -> dict[str, Json]:
    name, version = kind.identity()
    form = document.value
    if not isinstance(form, dict):
        raise BadInput(f"expected a map that begins with `kind: {name}`")
    if form.get("kind") != name:
        raise BadInput(f"kind: `{form.get('kind')}` where `{name}` is expected; correct it or name another file")
    if not isinstance(form.get("v"), int):
        raise BadInput(f"v: `{form.get('v')}` is not a version; write `v: {version}`")
    return form


def _explained(document: Document, error: BadInput) -> str:
    cause = error.__cause__
    if not isinstance(cause, ValidationError):
        return f"{document.place()}: {error}"
    faults = _told_once(cause.errors(include_url=False))
    lines = [_fault(document, f) for f in faults[:5]]
    if len(faults) > 5:
        lines.append(f"and {len(faults) - 5} more faults")
    return "\n".join(lines)


def _told_once(faults: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without the echo of a faulty entry in the list that holds it: pydantic then counts the list as too short."""
    places = [f["loc"] for f in faults]
    return [
        f
        for f in faults
        if f["type"] != "too_short" or not any(p != f["loc"] and p[: len(f["loc"])] == f["loc"] for p in places)
    ]


def _fault(document: Document, fault: ErrorDetails) -> str:
    message = fault["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    place = document.place(fault["loc"])
    path = ".".join(str(p) for p in fault["loc"])
    if fault["type"] == "value_error":
        return f"{place}: {path + ': ' if path else ''}{message}"
    remedy = _REMEDIES.get(fault["type"], "correct the value; `placet schema` shows what fits")
    found = "" if fault["type"] == "missing" else f" (found `{_short(fault['input'])}`)"
    return f"{place}: {path}: {message}{found}; {remedy}"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
