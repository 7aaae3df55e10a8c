"""One running system whose profile lays duties on every change: carried out, told, and its keys replaced meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from console import identities
from console.door.commands import Get, Kind
from console.installations import Installation
from console.renewing import Pace, renew
from console.rotating import Rotation
from console.succeeding import succeed
from estate.changes import Change, MoveWorkload, ReplicaMove, SetPowerCap
from estate.errors import BadInput
from estate.ids import NodeId, WorkloadId
from estate.notices import Notice, Occasion
from estate.obligations import Canary, Notify, PostCheck, SnapshotFirst
from estate.outcomes import Ending
from estate.units import Watts
from estate.warrants import PAYLOAD_TYPE
from estate.words import Role
from policies import dsse
from policies.keyrings import StaticRing
from policies.ledger import verifying
from policies.ledger.port import EntryKind
from policies.ledger.verifier_keys import VerifierKey
from policies.profiles import Duty, Profile
from policies.signing.facts import seal_facts
from policies.signing.files import FileSigner
from tests.system.composed import cli, found, founded, settings, started
from tests.system.petitions import Petitioner
from tools.bus import streams

pytestmark = [pytest.mark.nats, pytest.mark.processes, pytest.mark.xdist_group("system-1")]

DUTIES = Profile(
    name="dutiful",
    obligations=(
        Duty(notify=(Role.OPERATOR, Role.TENANT_OWNER), snapshot_first=True),
        Duty(canary=Canary(steps=1, soak_seconds=1), post_check=PostCheck(after_seconds=1)),
    ),
)


def cap(node: str, watts: int) -> Change:
    """A change that disturbs nobody."""
    return SetPowerCap(node=NodeId(node), watts=Watts(watts))


@pytest.fixture(scope="module")
async def bound(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Petitioner]:
    """A system with these duties."""
    root: Path = tmp_path_factory.mktemp("bound")
    profile = root / "dutiful.yaml"
    profile.write_bytes(DUTIES.canonical())
    async with started(founded(root / "state"), settings(profile=str(profile))) as composed:
        petitioner = Petitioner(composed)
        await _signed(petitioner, str(profile))
        yield petitioner


async def _signed(petitioner: Petitioner, profile: str) -> None:
    """A profile of one's own decides nothing until it is signed, and from then on at gate and executor."""
    before = await petitioner.judged(cap("eu-b1", 6_500))
    assert before.policies == ("law-in-force",)
    place = ("--state-dir", str(petitioner.composed.state.root))
    told = await cli(*place, "policy", "sign", "--profile", profile, "--reason", "read, CHG-1")
    assert told[0] == 0, told
    checked = await cli(*place, "get", "settings", "-o", "json")
    assert "written by admin" in checked[1], checked


async def test_what_is_owed_is_done_told_and_looked_at_again(bound: Petitioner) -> None:
    composed = bound.composed
    proposal = await bound.submit(cap("eu-b1", 6_000), cap("eu-b2", 6_000))
    checked = await bound.entry(proposal, EntryKind.POST_CHECKED)
    assert checked.body["held"] is True
    story = [e async for e in composed.system.ledger.entries(proposal=proposal)]
    kinds = [e.kind for e in story]
    owed = [k for k in kinds if k in {EntryKind.NOTIFIED, EntryKind.PRESERVED, EntryKind.STEP_STARTED}]
    assert owed == [EntryKind.NOTIFIED, EntryKind.PRESERVED, EntryKind.STEP_STARTED, EntryKind.STEP_STARTED]
    passed = next(e for e in story if e.kind is EntryKind.CANARY_PASSED)
    second = [e for e in story if e.kind is EntryKind.STEP_STARTED][1]
    began = next(e for e in story if e.kind is EntryKind.CANARY_STARTED)
    assert began.at < passed.at <= second.at
    assert (passed.at - began.at).total_seconds() >= 1
    issued = next(e for e in story if e.kind is EntryKind.ISSUED)
    kept = [Notify(roles=(Role.OPERATOR, Role.TENANT_OWNER)), SnapshotFirst(), *DUTIES.obligations[1].obligations]
    assert issued.body["warrant"]["obligations"] == [o.json_form() for o in kept]  # type: ignore[index, call-overload]


async def test_owners_are_told_their_own_part_on_the_bus_and_at_the_door(bound: Petitioner) -> None:
    composed = bound.composed
    await composed.enrol("olive", Role.TENANT_OWNER, tenants=("tenant-c",))
    away = ReplicaMove(replica=0, source=NodeId("eu-a2"), target=NodeId("eu-c2"), accelerators=(0, 1, 2, 3))
    move = MoveWorkload(workload=WorkloadId("c-render"), moves=(away,))
    proposal = await bound.submit(cap("eu-c3", 6_000), move)
    entry = await bound.entry(proposal, EntryKind.NOTIFIED)
    notice = Notice.model_validate(entry.body["notice"])
    bus = composed.system.buses["console"]
    async with aclosing(bus.follow(streams.NOTICES)) as told:
        async for delivery in told:
            if (heard := Notice.read(delivery.data)).proposal == proposal:
                break
    assert heard == notice
    assert heard.occasion is Occasion.BEGINS
    rows = await composed.tell(Get(what=Kind.NOTICE), "olive")
    mine = [r for r in rows if r["name"] == notice.execution]
    assert [len(r["says"]) for r in mine] == [1], "of the cap on an empty node she is told nothing"
    everything = await composed.tell(Get(what=Kind.NOTICE))
    assert [len(r["says"]) for r in everything if r["name"] == notice.execution] == [2]


async def test_gate_and_ledger_take_new_keys_while_everything_runs(bound: Petitioner) -> None:
    composed = bound.composed
    installation = Installation.open(composed.state, settings())
    admin = identities.load(composed.state, "admin")
    before = {role: installation.signer(role) for role in ("gate", "ledger")}
    rotated = await asyncio.gather(
        *(renew(Rotation(installation, admin, role), composed.door(), Pace(0.2, 30)) for role in ("gate", "ledger"))
    )
    assert [r.old for r in rotated] == [s.key_id for s in before.values()]
    assert [installation.signer(role).key_id for role in before] == [r.new for r in rotated]
    assert not list(composed.state.key_path("gate").parent.glob("*.old"))
    proposal = await bound.submit(cap("eu-b3", 6_000))
    assert (await bound.entry(proposal, EntryKind.OUTCOME)).body["ending"] == Ending.VERIFIED.value
    issued = await bound.entry(proposal, EntryKind.ISSUED)
    ring = StaticRing.of(installation.signer("gate").public_key)
    envelope = str(issued.body["envelope"]).encode()
    assert dsse.open_envelope(envelope, PAYLOAD_TYPE, ring).key_ids == (rotated[0].new,)
    taken = {e.body["role"]: e.body["key"] for e in await composed.entries(EntryKind.KEY_TAKEN)}
    assert taken == {"gate": rotated[0].new, "ledger": rotated[1].new}
    keys = VerifierKey.parse_all(composed.state.ledger_key_path.read_text())
    assert [k.until is None for k in keys] == [False, True]
    report = verifying.verify([line async for line in composed.system.archive.export()], keys)
    assert report.faults == ()


async def test_the_facts_get_a_new_key_and_the_old_one_signs_nothing_more(bound: Petitioner) -> None:
    composed = bound.composed
    installation = Installation.open(composed.state, settings())
    old = FileSigner.load(composed.state.key_path("facts"))
    await composed.enrol("second", Role.ADMINISTRATOR)
    with pytest.raises(BadInput, match="alone, which every process knows"):
        succeed(installation, identities.load(composed.state, "second"), datetime.now(UTC))
    new = succeed(installation, identities.load(composed.state, "admin"), datetime.now(UTC))

    async def activated() -> dict[str, object] | None:
        entries = [e.body for e in await composed.entries(EntryKind.FACTS_LOADED)]
        return next((dict(b) for b in entries if b.get("key") == new), None)

    assert (await found(activated, "the activation that names the new key"))["retired"] == [old.key_id]
    facts = installation.facts()
    forged = facts.model_copy(update={"version": facts.version + 1, "author": "mallory"})
    composed.state.facts_path.write_bytes(seal_facts(forged, old))
    await asyncio.sleep(2.5)  # the inventory looks at the file every two seconds
    assert {i.newest().facts.author for i in composed.system.inventories.values()} == {facts.author}
