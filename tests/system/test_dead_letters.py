"""`placet dlq` on the running system: what could not be handled is listed, shown, and replayed once it is mended."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from console import initialising
from console.demo import estate
from console.initialising import Founding
from console.state import StateDirectory
from estate.law import Facts
from estate.outcomes import Ending
from policies.ledger.port import EntryKind
from tests.system.composed import SPARE, Composed, founded, started, until

pytestmark = [pytest.mark.nats, pytest.mark.processes, pytest.mark.xdist_group("system-2")]


def known() -> Facts:
    """The sample facts: they place every node."""
    return estate.facts(datetime.now(UTC) + timedelta(days=30))


def unknown() -> Facts:
    """The same without the place of one node."""
    facts = known()
    racks = [r.model_copy(update={"nodes": tuple(n for n in r.nodes if n != SPARE)}) for r in facts.racks]
    return facts.model_copy(update={"racks": tuple(racks)})


async def letter_of(composed: Composed) -> int:
    """The number of the one dead letter, as `placet dlq list` gives it."""
    code, out, err = await composed.cli("dlq", "list", "-o", "json")
    assert code == 0, err
    (letter,) = json.loads(out)
    assert letter["stream"] == "INTAKE_DEVICE"
    assert "no fact places" in letter["reason"]
    assert "add it to the facts and replay" in letter["reason"]
    return int(letter["sequence"])


async def test_a_letter_whose_cause_was_mended_is_replayed_into_a_fence(tmp_path: Path) -> None:
    state = founded(tmp_path / "state", unknown())
    async with started(state) as before:
        body = await before.good()
        assert (await before.post(body)).is_success

        async def buried() -> bool:
            return bool(await before.letters())

        await until(buried)
        number = await letter_of(before)
        code, out, err = await before.cli("dlq", "show", str(number))
        assert code == 0, err
        (shown,) = yaml.safe_load(out)
        assert shown["body"].encode() == body

        code, _, err = await before.cli("dlq", "replay", str(number))
        assert code == 0, err

        async def buried_again() -> bool:
            return [r["replays"] for r in await before.letters()] == [1]

        await until(buried_again)
        assert not await before.incidents(), "what is not mended is buried again"
    await mended(state)


async def mended(state: StateDirectory) -> None:
    """The same installation under facts that place the node."""
    initialising.found(state, Founding(facts=known().model_copy(update={"version": 2})), datetime.now(UTC))
    async with started(state) as after:
        number = await letter_of(after)
        code, out, err = await after.cli("dlq", "replay", str(number))
        assert (code, "sequence" in out) == (0, True), err

        async def fenced() -> bool:
            endings = [e.body.get("ending") for e in await after.entries(EntryKind.OUTCOME)]
            return await after.cordoned(SPARE) and endings == [Ending.VERIFIED.value]

        await until(fenced)
        assert await after.letters() == []
        code, out, err = await after.cli("dlq", "show", str(number))
        assert (code, out) == (5, "")
        assert err.startswith(f"placet: no dead letter `{number}`")
        await after.works()
