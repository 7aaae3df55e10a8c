"""Our table of Xid codes against NVIDIA's catalogue, where that is at hand."""

from __future__ import annotations

import csv
from pathlib import Path

from estate.observations import Severity
from tools.payloads import xids

LESS_THAN_RESET = {
    136: "link training failed: the link is at fault",
    155: "software-defined link error: mostly the echo of a reset that somebody ordered",
    156: "a resource was retired in an orderly way; the reset can be planned",
}
"""Codes whose immediate action is a reset and that do not fence, with the reason."""


def _catalogue(cases: Path) -> dict[int, str]:
    with (cases / "xid" / "nvidia_xid_catalog.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["Code"].isdigit()]
    return {int(r["Code"]): r["Resolution Bucket (Immediate Action)"].strip() for r in rows}


def test_whatever_needs_a_reset_or_a_reboot_is_fatal_but_for_stated_exceptions(cases: Path) -> None:
    needing = {
        code for code, action in _catalogue(cases).items() if action in {"RESET_GPU", "RESTART_BM", "WORKFLOW_XID_48"}
    }
    fatal = {code for code in needing if xids.meaning(code).severity is Severity.FATAL}
    assert needing - fatal == set(LESS_THAN_RESET)


def test_nothing_that_the_catalogue_ignores_or_restarts_in_an_application_is_fatal(cases: Path) -> None:
    mild = [code for code, action in _catalogue(cases).items() if action in {"IGNORE", "RESTART_APP"}]
    assert mild
    assert [code for code in mild if xids.meaning(code).severity is Severity.FATAL] == []


def test_every_row_gives_a_reason_and_no_code_stands_twice() -> None:
    codes = [code for _, codes in xids._ROWS for code in codes]
    assert len(codes) == len(set(codes))
    assert all(meaning.reason for meaning, _ in xids._ROWS)
