"""The front door on a whole system: who is believed, who may what, and how soon a signed setting holds."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from installations import Running, until

from console import identities
from console.door import sealing
from console.door.calls import Call, Caller
from console.door.client import DoorClient
from console.door.commands import (
    Command,
    DeadLetters,
    Diagnose,
    ExitCode,
    Get,
    Kind,
    LedgerErase,
    LedgerExport,
    LedgerProve,
    LedgerShow,
    Pending,
    Propose,
    Reply,
    WhoAmI,
)
from estate.approvals import Diff, Word
from estate.canonical import Json
from estate.changes import CordonNode, ScaleWorkload
from estate.errors import BadInput
from estate.identities import Role
from estate.ids import Digest, IncidentId, NodeId, TenantId, WorkloadId
from estate.modes import Mode
from estate.reliefs import GlassWord
from policies.ledger import proofs, verifying
from policies.ledger.port import Draft, EntryKind
from policies.ledger.verifier_keys import VerifierKey
from policies.signing.memory import MemorySigner

pytestmark = [pytest.mark.nats, pytest.mark.xdist_group("system")]


async def raw(placet: Running, data: bytes, command: Command) -> Reply:
    bus = placet.system.buses["watcher"]
    subject = placet.system.subjects.command(command.verb)
    return Reply.read(await bus.request(subject, data, within=timedelta(seconds=5)))


def caller(placet: Running, identity: identities.Identity, *, late: timedelta = timedelta(0)) -> Caller:
    return Caller(
        placet.system.installation,
        identity.subject,
        identity.signer,
        lambda: datetime.now(UTC) - late,
        lambda size: time.time_ns().to_bytes(16, "big")[:size],
    )


async def enrolled(placet: Running, name: str, *roles: Role, tenants: tuple[str, ...] = ()) -> DoorClient:
    identity, _ = identities.make(placet.state, name)
    own = tuple(TenantId(t) for t in tenants)
    record = identities.enrolment(identity.subject, identity.signer.public_key, roles, own, datetime.now(UTC))
    sealed = sealing.seal_enrolment(placet.state, "admin", record)
    reply = await placet.system.door(placet.admin).call(sealed)
    assert reply.ok, reply.message
    door = placet.system.door(identity)

    async def known() -> bool:
        return (await door.call(WhoAmI())).ok

    await until(known, 1.0)
    return door


async def test_a_call_that_does_not_prove_its_caller_is_unauthenticated(placet: Running) -> None:
    """Unknown key, old clock, a copy of a call, somebody else's name: none of them gets further than that."""
    command = WhoAmI()
    stranger = identities.Identity(placet.admin.subject, MemorySigner.generate(lambda size: b"s" * size))
    for data in (
        caller(placet, stranger).sign(command),
        caller(placet, placet.admin, late=timedelta(seconds=60)).sign(command),
        b"{}",
    ):
        assert (await raw(placet, data, command)).code is ExitCode.UNAUTHENTICATED
    once = caller(placet, placet.admin).sign(command)
    assert (await raw(placet, once, command)).ok
    assert (await raw(placet, once, command)).code is ExitCode.UNAUTHENTICATED


async def test_a_role_that_does_not_suffice_is_forbidden_and_told_which_would(placet: Running) -> None:
    door = await enrolled(placet, "rita", Role.REQUESTER, tenants=("tenant-a",))
    refused = await door.call(DeadLetters())
    assert refused.code is ExitCode.FORBIDDEN
    assert "administrator, operator" in refused.message
    forbidden = await door.call(sealing.seal_freeze(placet.state, "rita", (None, None), True, ""))
    assert forbidden.code is ExitCode.FORBIDDEN


async def test_a_tenants_person_sees_that_tenants_things_only(placet: Running) -> None:
    door = await enrolled(placet, "anna", Role.TENANT_OWNER, tenants=("tenant-a",))
    seen = (await door.call(Get(what=Kind.WORKLOAD))).result
    assert isinstance(seen, list)
    assert {w["tenant"] for w in seen if isinstance(w, dict)} == {"tenant-a"}
    assert (await door.call(Get(what=Kind.WORKLOAD, name="b-imaging"))).code is ExitCode.NOT_FOUND


async def test_two_people_break_the_glass_and_no_door_leads_to_tier_0(placet: Running) -> None:
    """Signed by each, in the ledger, shown to operators; an exception to tier 0 is refused before it is one."""
    door, where = placet.system.door(placet.admin), ("us-east", "tenant-c")
    second = await enrolled(placet, "gil", Role.OPERATOR)
    broken = sealing.seal_glass(placet.state, "admin", sealing.Said(GlassWord.BREAK, None, where, "cooling fails"))
    assert (await door.call(broken)).ok
    (row,) = [r for r in await listed(second) if r["sort"] == "break-glass"]
    assert row["state"] == "waiting"
    name = Digest(str(row["name"]))
    alone = sealing.seal_glass(placet.state, "admin", sealing.Said(GlassWord.SECOND, name, where, "I do"))
    assert "another human" in (await door.call(alone)).message
    both = sealing.seal_glass(placet.state, "gil", sealing.Said(GlassWord.SECOND, name, where, "I see it too"))
    assert (await second.call(both)).ok
    locked = sealing.Excepted("sovereignty-legal", where, "", "please", timedelta(days=1))
    refused = await door.call(sealing.seal_exception(placet.state, "admin", locked))
    assert (refused.code, "tier 0, which nothing lifts" in refused.message) == (ExitCode.FORBIDDEN, True)
    allowed = sealing.Excepted("change-window", where, "", "CHG-1", timedelta(days=1))
    assert (await door.call(sealing.seal_exception(placet.state, "admin", allowed))).ok
    assert {(r["sort"], r["state"]) for r in await listed(door)} == {
        ("break-glass", "in-force"),
        ("exception", "in-force"),
    }
    kinds = [e.kind async for e in placet.system.ledger.entries()]
    assert (kinds.count(EntryKind.GLASS), kinds.count(EntryKind.EXCEPTED)) == (2, 1)


async def listed(door: DoorClient) -> list[dict[str, Json]]:
    reply = await door.call(Get(what=Kind.RELIEF))
    assert isinstance(reply.result, list), reply.message
    return [r for r in reply.result if isinstance(r, dict)]


async def test_a_freeze_holds_at_the_gate_within_a_second_and_stands_in_the_ledger(placet: Running) -> None:
    """From the signed freeze to a gate that forbids: less than a second, and nothing is changed meanwhile."""
    door = placet.system.door(placet.admin)
    frozen = await door.call(sealing.seal_freeze(placet.state, "admin", (None, None), True, "audit"))
    assert frozen.ok, frozen.message
    await asyncio.sleep(1.0)
    change = CordonNode(node=NodeId("eu-b1"), reason="test")
    asked = await door.call(Propose(summary="cordon eu-b1", changes=(change,)))
    assert isinstance(asked.result, dict), asked.message
    name = str(asked.result["incident"])

    async def ended() -> bool:
        reply = await door.call(Get(what=Kind.INCIDENT, name=name))
        return isinstance(reply.result, list) and isinstance(reply.result[0], dict) and reply.result[0]["state"] in {
            "forbidden", "handed-over", "failed"
        }  # fmt: skip

    await until(ended)
    kinds = [e.kind async for e in placet.system.ledger.entries()]
    assert EntryKind.FROZEN in kinds
    assert EntryKind.ISSUED not in kinds
    seen = (await placet.system.world.snapshot()).node(NodeId("eu-b1"))
    assert seen is not None
    assert not seen.cordoned


async def test_a_setting_that_somebody_else_signed_is_refused(placet: Running) -> None:
    await enrolled(placet, "olga", Role.OPERATOR)
    door = placet.system.door(placet.admin)
    reply = await door.call(sealing.seal_mode(placet.state, "olga", (None, None), Mode.OBSERVE))
    assert reply.code is ExitCode.FORBIDDEN


async def test_an_answer_over_one_message_arrives_whole_and_an_export_verifies(placet: Running, tmp_path: Path) -> None:
    """A ledger beyond 256 KiB: what is fetched in parts verifies against the ledger's public key."""
    door = placet.system.door(placet.admin)
    for number in range(300):
        says = f"{number} " + "please " * 280
        body = {"verb": "ask", "says": says, "call": "sha256:" + "0" * 64}
        by = placet.admin.subject
        await placet.system.ledger.append(
            Draft(EntryKind.COMMANDED, datetime.now(UTC), by, body, key=f"command:{number}")
        )
    shown = await door.call(LedgerShow(limit=10_000))
    assert isinstance(shown.result, list)
    assert len(shown.result) >= 300
    reply = await door.ask(LedgerExport())
    assert reply.spooled is not None, reply.message
    assert reply.spooled.size > 256 * 1024
    export = tmp_path / "ledger.export"
    with export.open("wb") as file:
        async for part in door.parts(reply.spooled):
            file.write(part)
    key = VerifierKey.parse((placet.state.root / "ledger.vkey").read_text())
    with export.open("rb") as lines:
        report = verifying.verify(lines, [key])
    assert report.holds, report.fault


async def test_a_spooled_answer_is_handed_to_nobody_but_its_owner(placet: Running) -> None:
    other = await enrolled(placet, "paul", Role.POLICY_AUTHOR)
    reply = await placet.system.door(placet.admin).ask(LedgerExport())
    assert reply.spooled is not None
    with pytest.raises(Exception, match="dropped"):
        _ = [part async for part in other.parts(reply.spooled)]


async def test_a_change_is_proven_and_a_person_is_forgotten_at_the_door(placet: Running) -> None:
    """And the ledger says by itself that the gate is there and which rules are in force."""
    door, name = placet.system.door(placet.admin), "vera"
    theirs = await enrolled(placet, name, Role.OPERATOR)
    change = CordonNode(node=NodeId("eu-b2"), reason="test")
    assert (await theirs.call(Propose(summary="cordon eu-b2", changes=(change,)))).ok

    async def proposed() -> bool:
        return bool([e async for e in placet.system.ledger.entries(kind=EntryKind.DECIDED)])

    await until(proposed)
    decided = [e async for e in placet.system.ledger.entries(kind=EntryKind.DECIDED)][-1]
    assert decided.proposal is not None
    reply = await door.ask(LedgerProve(proposal=decided.proposal))
    assert reply.spooled is not None, reply.message
    proof = b"".join([part async for part in door.parts(reply.spooled)])
    key = VerifierKey.parse((placet.state.root / "ledger.vkey").read_text())
    assert proofs.verify(proof, [key]).faults == ()

    assert (await theirs.call(LedgerErase(name="rita"))).code is ExitCode.FORBIDDEN
    refused = await door.call(LedgerErase(name=name))
    assert refused.code is ExitCode.FORBIDDEN
    assert "--revoke" in refused.message
    identity = identities.load(placet.state, name)
    ended = identities.enrolment(identity.subject, identity.signer.public_key, (), (), datetime.now(UTC), revoked=True)
    assert (await door.call(sealing.seal_enrolment(placet.state, "admin", ended))).ok
    dry = await door.call(LedgerErase(name=name, dry=True))
    assert dry.code is ExitCode.FORBIDDEN or dry.ok, dry.message

    found = (await door.call(Diagnose())).result
    assert isinstance(found, dict)
    assert found["silences"] == []
    for kind in (EntryKind.HEARTBEAT, EntryKind.BUNDLE_LOADED):
        assert [e async for e in placet.system.ledger.entries(kind=kind)], kind


def test_a_call_with_an_unknown_verb_or_field_is_bad_input() -> None:
    """What is written for Placet forbids unknown fields."""
    with pytest.raises(BadInput):
        Call.read(b'{"kind":"placet.call","v":1,"command":{"verb":"obey"}}')


async def test_an_approval_is_given_for_exactly_what_was_shown_and_lets_the_change_happen(placet: Running) -> None:
    """Tenant-b wants to be asked: the proposer's own word does not count, the owner's does."""
    owner = await enrolled(placet, "bruno", Role.TENANT_OWNER, tenants=("tenant-b",))
    admin = placet.system.door(placet.admin)
    change = ScaleWorkload(workload=WorkloadId("b-segmentation"), replicas=0)
    asked = await admin.call(Propose(summary="pause b-segmentation", changes=(change,)))
    assert isinstance(asked.result, dict), asked.message
    name = IncidentId(str(asked.result["incident"]))

    async def state() -> str:
        reply = await admin.call(Get(what=Kind.INCIDENT, name=name))
        row = reply.result[0] if isinstance(reply.result, list) else {}
        return str(row["state"]) if isinstance(row, dict) and reply.ok else ""

    async def waits() -> bool:
        return await state() == "awaiting-approval"

    async def done() -> bool:
        return await state() == "verified"

    await until(waits)
    for speaker, door in (("admin", admin), ("bruno", owner)):
        assert await state() == "awaiting-approval"
        pending = await door.call(Pending(incident=name))
        assert isinstance(pending.result, dict), pending.message
        assert isinstance(pending.result["diff"], dict)
        diff = Diff.read(pending.result["diff"])
        word = sealing.seal_word(placet.state, speaker, sealing.Decided(name, diff, Word.APPROVE, "agreed"))
        given = await door.call(word)
        assert given.ok, given.message
        await asyncio.sleep(0.5)
    await until(done)
