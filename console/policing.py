"""The cases beside some rules, read from their files and run. Called by `placet policy test` and `mutate`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cedarpy

from estate.errors import BadInput
from policies.bundle import SHIPPED, Bundle
from policies.cases import PolicyCases, Tried
from policies.cases import tried as asked
from policies.proving.schemas import parse
from tools.inventory import files

FOLDER = "cases"


def tried(bundle: Bundle, rules: Path | None) -> tuple[Tried, ...]:
    """Every case beside the rules, on `bundle`. Raises BadInput: there is none, or one does not fit."""
    return asked(read(rules), parse(dict(bundle.texts)["schema.cedarschema"]), bundle.ask)


def read(rules: Path | None) -> tuple[PolicyCases, ...]:
    """The files of cases. Raises BadInput."""
    folder = (rules or SHIPPED) / FOLDER
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        raise BadInput(f"{folder}: no `*.yaml` there; write cases, see `placet schema policy-cases`")
    return tuple(files.parse(PolicyCases, files.read(p), str(p)) for p in paths)


def noticing(bundle: Bundle, rules: Path | None) -> Callable[[cedarpy.PolicySet], str]:
    """What says which case notices that other policies are in force. Raises BadInput."""
    cases, schema = read(rules), parse(dict(bundle.texts)["schema.cedarschema"])

    def notices(policies: cedarpy.PolicySet) -> str:
        found = asked(cases, schema, bundle.instead(policies).ask)
        return next((t.says for t in found if not t.passes), "")

    return notices
