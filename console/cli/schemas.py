"""The JSON Schemas of everything people write."""

from __future__ import annotations

from pydantic import TypeAdapter

from console import config
from console.cli.inspecting import SCHEMAS
from console.door.calls import Call
from estate.canonical import Json
from estate.errors import BadInput
from estate.verdicts import Verdict
from tools.generation.plans import Plan
from tools.inventory import files


def schema_of(kind: str) -> Json:
    """The schema of `config`, `command` (a signed call's payload), `verdict`, `plan`, or one of `files.KINDS`.

    Raises:
        BadInput: there is no such kind.
    """
    match kind:
        case "config":
            return config.schema()
        case "command":
            return TypeAdapter(Call).json_schema()
        case "proposal":
            return files.schema("proposal-file")
        case "plan":
            return files.schema_of(Plan)
        case "verdict":
            return Verdict.model_json_schema()
        case _ if kind in files.KINDS:
            return files.schema(kind)
        case _:
            raise BadInput(f"`{kind}` has no schema; name one of {', '.join(SCHEMAS)}")
