"""Everything through the composition root, on a real NATS server: what a sender and a person can bring about."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from installations import Running, until

from console.demo import payloads
from console.door.commands import Ask, ExitCode, Get, Kind, Propose, WhoAmI
from estate.ids import NodeId, ObjectId
from estate.manifests import form_of
from policies.ledger.port import EntryKind
from tests.objects import apply, manifest

pytestmark = [pytest.mark.nats, pytest.mark.xdist_group("system")]


async def test_a_lost_accelerator_is_fenced_and_every_step_of_it_is_in_the_ledger(placet: Running) -> None:
    """The main path: a kernel line at the HTTP door, a cordoned node in the world, and the record of why."""
    world, ledger = placet.system.world, placet.system.ledger
    node = (await world.snapshot()).node(NodeId("eu-a1"))
    assert node is not None
    await world.fail_accelerator(node.id, 0)
    line = payloads.kernel_line(node, node.accelerators[0], datetime.now(UTC))
    async with placet.http() as sender:
        answer = await sender.post(
            "/v1/channels/local/kernel", content=line, headers={"Content-Type": "application/json"}
        )
    assert answer.status_code == 202, answer.text

    async def fenced() -> bool:
        seen = (await world.snapshot()).node(NodeId("eu-a1"))
        return seen is not None and seen.cordoned

    await until(fenced)

    async def concluded() -> bool:
        return any([True async for _ in ledger.entries(kind=EntryKind.OUTCOME)])

    await until(concluded)
    kinds = [e.kind async for e in ledger.entries()]
    order = (
        EntryKind.PROPOSED,
        EntryKind.DECIDED,
        EntryKind.ISSUED,
        EntryKind.CONSUMED,
        EntryKind.STEP_STARTED,
        EntryKind.STEP_APPLIED,
        EntryKind.OUTCOME,
    )
    places = [kinds.index(k) for k in order]
    assert places == sorted(places)


async def test_an_object_that_a_person_wrote_is_applied_and_in_the_ledger(placet: Running) -> None:
    """Proposed in a file, judged by whose namespace it is, carried out on the twin; the gate never saw the object."""
    made = apply(manifest(namespace="tenant-a"))
    door = placet.system.door(placet.admin)
    asked = await door.call(Propose(summary="settings of tenant-a", changes=(made,)))
    assert asked.ok, asked.message
    name = ObjectId(made.target().id)

    async def applied() -> bool:
        seen = (await placet.system.world.snapshot()).object(name)
        return seen is not None and seen.form == form_of(made.manifest)

    await until(applied)

    async def verified() -> bool:
        entries = [e async for e in placet.system.ledger.entries(kind=EntryKind.OUTCOME)]
        return [e.body["ending"] for e in entries] == ["verified"]

    await until(verified)


async def test_a_person_is_known_by_their_key_and_may_ask(placet: Running) -> None:
    door = placet.system.door(placet.admin)
    me = await door.call(WhoAmI())
    assert me.ok, me.message
    asked = await door.call(Ask(text="cordon node eu-b1"))
    assert asked.ok, asked.message
    assert isinstance(asked.result, dict)
    name = str(asked.result["incident"])

    async def opened() -> bool:
        reply = await door.call(Get(what=Kind.INCIDENT, name=name))
        assert reply.code in {ExitCode.OK, ExitCode.NOT_FOUND}
        return reply.ok

    await until(opened)
