"""The page of attacks names tests that are there, and leaves out none that was written as one."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PAGE = (TESTS.parent / "docs" / "attacks.md").read_text(encoding="utf-8")
ROWS = [line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("| ")][1:]
NAMED = set(re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE))


@cache
def _tests(path: str) -> frozenset[str]:
    """The names of the tests in a file."""
    tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
    found = (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(n.name for n in found if n.name.startswith("test_"))


def test_every_attack_has_a_test_and_every_test_is_there() -> None:
    assert [row[0].strip() for row in ROWS if "::" not in row[2]] == []
    assert sorted(f"{path}::{name}" for path, name in NAMED if name not in _tests(path)) == []


def test_no_test_of_an_attack_is_left_out() -> None:
    written = {
        (f"policies/attacks/{path.name}", name)
        for path in (TESTS / "policies" / "attacks").glob("test_*.py")
        for name in _tests(f"policies/attacks/{path.name}")
    }
    assert written - NAMED == set()
