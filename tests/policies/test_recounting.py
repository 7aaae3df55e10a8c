"""What an auditor reads in a spreadsheet, told from the exported ledger alone."""

from __future__ import annotations

import asyncio
import csv
import io
from pathlib import Path

import pytest

from console.cli.recounting import recounted
from estate.errors import BadInput
from estate.identities import SubjectKind
from policies.ledger.memory import MemoryLedger
from policies.ledger.port import EntryKind
from policies.ledger.signing import Signing
from policies.signed_facts import loaded
from tests import builders
from tests.builders import INSTALLATION, START, facts, subject
from tests.ledger.conftest import PROPOSAL, SIGNER, draft
from tests.ledger.test_verification import TOLD


async def exported() -> bytes:
    """An export: facts in force, one change that was taken back, one that was forbidden."""
    ledger = MemoryLedger(INSTALLATION, signing=Signing.of(INSTALLATION, SIGNER))
    law = facts()
    await ledger.append(loaded(law, subject("inventory", SubjectKind.INVENTORY), START))
    asked = builders.proposal().model_copy(update={"summary": "=HYPERLINK(1)"})
    bodies = {
        EntryKind.PROPOSED: {"proposal": asked.json_form()},
        EntryKind.OUTCOME: {"ending": "rolled-back", "steps": [{"applied": True, "undone": True}, {"applied": False}]},
    }
    for one in TOLD:
        await ledger.append(draft(one.key, one.kind, body=bodies.get(one.kind, one.body), by=one.by))
    return b"".join([line async for line in ledger.export()])


@pytest.fixture
async def export(tmp_path: Path) -> Path:
    """The export as a file."""
    path = tmp_path / "export"
    await asyncio.to_thread(path.write_bytes, await exported())
    return path


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_change_is_one_row_with_who_asked_who_approved_and_how_it_ended(export: Path) -> None:
    (row,) = rows(recounted(export, changes=True))
    assert row["proposal"] == PROPOSAL
    assert row["summary"] == "'=HYPERLINK(1)", "a spreadsheet runs nothing of it"
    assert row["changes"].startswith("1. ")
    assert (row["emergency"], row["decision"], row["outcome"]) == ("no", "permit", "rolled-back")
    assert row["approvers"] == "human:test/ada at 2026-11-21T08:00:00.000000Z"
    assert (row["steps_applied"], row["steps_undone"]) == ("1", "1")
    assert (row["first_entry"], row["last_entry"]) == ("1", "12")


def test_the_register_names_every_provider_of_every_cluster_by_its_part(export: Path) -> None:
    found = rows(recounted(export, changes=False))
    law = facts()
    assert {row["service"] for row in found} == {str(c.id) for c in law.clusters}
    operators = {row["service"]: row["provider"] for row in found if row["role"] == "operator"}
    assert operators == {str(c.id): str(c.operator) for c in law.clusters}
    assert {row["facts_version"] for row in found} == {str(law.version)}
    assert all(row["provider_country"] for row in found)


def test_what_is_no_export_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"{}\n")
    with pytest.raises(BadInput, match="no export of a ledger"):
        recounted(tmp_path / "x", changes=True)
    with pytest.raises(BadInput, match="cannot be read"):
        recounted(tmp_path / "missing", changes=True)
