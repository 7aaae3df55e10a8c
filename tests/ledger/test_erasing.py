"""A person is forgotten, and every proof stands."""

from __future__ import annotations

import json
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from estate.errors import BadInput, Denied
from estate.identities import Role, SubjectKind
from estate.modes import Freeze, Scope
from policies import erasing
from policies.enrolments import Enrolments
from policies.ledger import verifying
from policies.ledger.archives import Archive
from policies.ledger.memory import MemoryLedger
from policies.ledger.port import Draft, EntryKind
from policies.ledger.sqlite import SqliteLedger
from policies.ledger.verifier_keys import ledger_key
from tests.builders import INSTALLATION, START, subject
from tests.ledger.conftest import PROPOSAL, SIGNER, SIGNING, TENANTS, draft
from tests.ledger.test_verification import TOLD
from tests.signing.conftest import ADA, OLGA, TIM, Person

KEY = ledger_key(INSTALLATION, SIGNER.public_key)
LATER = START + timedelta(days=60)


def enrolled(by: Person, whom: Person, *roles: Role, **over: Any) -> Draft:
    """An enrolment as its entry."""
    made = whom.enrolment(*roles, **over)
    body: dict[str, Any] = {"envelope": by.signs(made).decode()}
    return Draft(EntryKind.ENROLLED, made.enrolled_at, by.subject, body, f"enrolled:{made.digest}")


def frozen(by: Person, at: Any = START, *, stands: bool = True) -> Draft:
    """A freeze of everything, or its end."""
    freeze = Freeze(installation=INSTALLATION, scope=Scope(), frozen=stands, by=by.subject, at=at)
    return Draft(EntryKind.FROZEN, at, by.subject, {"envelope": by.sets(freeze).decode()}, f"frozen:{freeze.digest}")


REVOKED = START + timedelta(days=1)
PEOPLE = (
    enrolled(ADA, ADA, Role.ADMINISTRATOR),
    enrolled(ADA, OLGA, Role.OPERATOR),
    enrolled(ADA, OLGA, Role.OPERATOR, enrolled_at=REVOKED, revoked=True),
)


async def standing(ledger: Archive) -> Enrolments:
    made = Enrolments(INSTALLATION, ADA.signer.key_id, lambda: LATER)
    await made.load(ledger)
    return made


@pytest.fixture
def memory() -> Archive:
    """What is asked of it does not depend on the storage."""
    return MemoryLedger(INSTALLATION, signing=SIGNING)


async def told(ledger: Archive, *drafts: Draft) -> Archive:
    for one in drafts:
        await ledger.append(one)
    return ledger


async def erased(ledger: Archive, whom: Person = OLGA) -> erasing.Erasure:
    plan = await erasing.planned(ledger, whom.subject, await standing(ledger), LATER)
    await erasing.erase(ledger, plan, ADA.subject, LATER, "0" * 32)
    return plan


async def lines(ledger: Archive) -> list[bytes]:
    return [line async for line in ledger.export()]


def bodies(export: list[bytes]) -> str:
    return "".join(json.dumps(json.loads(line).get("content")) for line in export)


async def test_nothing_of_a_person_is_left_and_every_proof_stands(ledger: Archive) -> None:
    """Their words, their requests, what others wrote of them, and their enrolment; in tenants' logs as well."""
    await told(
        ledger,
        *PEOPLE,
        draft("asked:1", EntryKind.COMMANDED, by=OLGA.subject, body={"says": "free 16 GPUs"}, proposal=None),
        draft("proposed:x", body={"on_behalf_of": OLGA.subject.json_form()}),
        draft("decided:x", EntryKind.DECIDED, body={"verdict": {"decision": "forbid", "why": f"by {OLGA.subject}"}}),
        draft("asked:2", EntryKind.COMMANDED, body={"says": f"{OLGA.subject}-mann is somebody else"}, proposal=None),
    )
    before = [json.loads(line)["leaf"] for line in await lines(ledger) if b'"leaf"' in line]
    plan = await erased(ledger)
    export = await lines(ledger)
    assert plan.kept == ()
    assert plan.bodies == 2 + 3 * (1 + len(TENANTS))
    assert "olga" not in bodies(export).replace("olga-mann", "")
    assert "olga-mann" in bodies(export)
    report = verifying.verify(export, [KEY])
    assert report.faults == ()
    assert (report.without_body, report.erasures) == (plan.bodies, plan.bodies)
    left = [json.loads(line)["leaf"] for line in export if b'"leaf"' in line]
    assert [leaf for leaf in left if leaf["entry"] != "erased"] == before


async def test_an_erasure_names_nobody_and_says_which_entries(memory: Archive) -> None:
    await told(memory, *PEOPLE, draft("asked", EntryKind.COMMANDED, by=OLGA.subject, proposal=None, projections={}))
    await erased(memory)
    (entry,) = [e async for e in memory.entries(kind=EntryKind.ERASED)]
    assert entry.body == {"bodies": 3, "entries": [1, 2, 3], "kept": 0}
    with pytest.raises(BadInput, match="nothing of `olga`"):
        await erased(memory)


async def test_who_is_enrolled_is_not_forgotten(memory: Archive) -> None:
    await told(memory, *PEOPLE[:2])
    plan = Enrolments(INSTALLATION, ADA.signer.key_id, lambda: START)
    await plan.load(memory)
    with pytest.raises(Denied, match="--revoke"):
        await erasing.planned(memory, OLGA.subject, plan, START)


@pytest.mark.parametrize(("ends", "forgotten"), [(0, False), (12, True)])
async def test_a_change_under_way_is_not_forgotten(memory: Archive, ends: int, forgotten: bool) -> None:
    """What its gate and its executor read must be there until the outcome."""
    story = [draft(d.key, d.kind, body=d.body, at=LATER) for d in TOLD[: ends or 5]]
    mine = draft("approval:2", EntryKind.APPROVED, by=OLGA.subject, at=LATER, proposal=PROPOSAL)
    await told(memory, *PEOPLE, story[0], mine, *story[1:])
    if forgotten:
        assert (await erased(memory)).bodies == 2 + 1 + len(TENANTS)
        assert verifying.verify(await lines(memory), [KEY]).holds
    else:
        with pytest.raises(Denied, match="has not ended"):
            await erased(memory)


async def test_what_is_in_force_under_a_signature_is_kept_with_the_reason(memory: Archive) -> None:
    """A freeze that vanished with its signer's data would be a way to lift it."""
    await told(memory, *PEOPLE[:2], frozen(OLGA), PEOPLE[2])
    plan = await erased(memory)
    assert [e.kind for e, _ in plan.kept] == [EntryKind.FROZEN, EntryKind.ENROLLED, EntryKind.ENROLLED]
    assert "set it again under another name" in plan.kept[0][1]
    await memory.append(frozen(ADA, LATER, stands=False))
    assert (await erasing.planned(memory, OLGA.subject, await standing(memory), LATER)).kept == ()


async def test_who_enrolled_others_stays_known_by_what_they_signed(memory: Archive) -> None:
    """Forgetting an administrator must not un-enrol everybody whom they enrolled."""
    await told(
        memory,
        enrolled(ADA, ADA, Role.ADMINISTRATOR, valid_until=START + timedelta(days=400)),
        enrolled(ADA, OLGA, Role.ADMINISTRATOR),
        enrolled(OLGA, TIM, Role.OPERATOR, valid_until=START + timedelta(days=400)),
        enrolled(ADA, OLGA, Role.ADMINISTRATOR, enrolled_at=REVOKED, revoked=True),
    )
    assert (await standing(memory)).of_key(TIM.signer.key_id) is not None
    plan = await erased(memory)
    assert [e.index for e, _ in plan.kept] == [2, 1, 3]
    assert (await standing(memory)).of_key(TIM.signer.key_id) is not None


async def test_bodies_are_overwritten_on_the_disk(tmp_path: Path) -> None:
    """A deleted record that can be read off the file is not erased."""
    path, marker = tmp_path / "ledger.db", "marked-" * 40
    ledger = await SqliteLedger.open(path, INSTALLATION, signing=SIGNING)
    by = subject("olga", SubjectKind.HUMAN)
    await ledger.append(draft("asked", EntryKind.COMMANDED, by=by, body={"says": marker}, proposal=None))
    await ledger.erase("asked")
    await ledger.close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert marker.encode() not in path.read_bytes()
