"""The page for compliance officers names every rule beside every duty that it serves, and evidence that is there."""

from __future__ import annotations

import re
from pathlib import Path

from policies.bundle import shipped_rules

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "governance.md").read_text(encoding="utf-8")


def test_every_rule_stands_beside_every_duty_that_it_serves() -> None:
    rows = {cells[0]: set(re.findall(r"`([^`]+)`", cells[1])) for cells in _rows() if len(cells) == 3}
    served: dict[str, set[str]] = {}
    for rule in shipped_rules().values():
        for duty in rule.obligation.split("; "):
            served.setdefault(duty, set()).add(rule.id)
    assert {duty: rows.get(duty) for duty in served} == served


def test_the_evidence_is_there() -> None:
    named = set(re.findall(r"`(tests/[\w/.]+)`", PAGE))
    assert named
    assert not [path for path in named if not (ROOT / path).exists()]


def _rows() -> list[list[str]]:
    return [[c.strip() for c in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")]
