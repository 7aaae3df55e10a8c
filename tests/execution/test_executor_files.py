"""The executor on the files and the law that it really runs with: SQLite ledger, twin world, Cedar rules, kill -9."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from estate.changes import CopyWorkload
from estate.errors import Denied
from estate.ids import ClusterId, WorkloadId
from estate.modes import Mode
from estate.outcomes import Ending
from policies.bundle import Bundle
from policies.enrolments import Enrolments
from policies.ledger.port import EntryKind
from policies.ledger.sqlite import SqliteLedger
from tests import builders, spawning, surroundings
from tests.builders import INSTALLATION
from tests.execution.rig import AUDIENCE, FENCE, RING, SIGNER, Rig, after, content, sealed, warrant
from tests.execution.victim import execute
from tests.policies.asking import orders
from tools.execution.authority import Law, Trust
from tools.twin.world import World


@pytest.mark.processes
@pytest.mark.parametrize("point", [2, 4, 6, 12, 18, 22])
async def test_a_killed_process_is_resumed_from_its_files(point: int, tmp_path: Path) -> None:
    """SIGKILL right after consumption, first start, first, second and third write, and the outcome."""
    victim = await spawning.run("tests.execution.victim", str(tmp_path), str(point), environment=surroundings.plain())
    assert victim.returncode == -signal.SIGKILL, victim.stderr
    assert await execute(tmp_path, point=0, token=2) == "verified"
    world = await World.open(tmp_path / "twin.db", builders.facts())
    assert content(await world.snapshot()) == content(after(warrant().steps, builders.estate()))
    assert (await world.changes()).revision == 4, "the seed and three writes"
    await world.close()
    ledger = await SqliteLedger.open(tmp_path / "ledger.db", INSTALLATION)
    kinds = [e.kind async for e in ledger.entries()]
    await ledger.close()
    for kind, count in ((EntryKind.CONSUMED, 1), (EntryKind.STEP_APPLIED, 3), (EntryKind.OUTCOME, 1)):
        assert kinds.count(kind) == count, kind


def lawful(rig: Rig, mode: Mode) -> Rig:
    """The rig under the rules that ship."""
    controls = orders(mode)
    law = Law.of(
        Trust(lambda at: RING, rig.ledger, AUDIENCE, INSTALLATION, Bundle.load(), controls, _nobody().of_key), rig.clock
    )
    rig.law = lambda: law  # type: ignore[method-assign]
    return rig


def _nobody() -> Enrolments:
    return Enrolments(INSTALLATION, SIGNER.key_id, builders.TestClock())


async def test_the_rules_that_ship_permit_a_fence_again() -> None:
    rig = lawful(Rig(), Mode.AUTOMATIC)
    outcome = await rig.executor().execute(await rig.issued(warrant(FENCE)))
    assert (outcome.ending, outcome.reason) == (Ending.VERIFIED, "")


async def test_the_rules_that_ship_refuse_what_became_unlawful() -> None:
    """A gate that was wrong, or facts that changed: a European tenant's replicas never reach the United States."""
    rig = lawful(Rig(), Mode.AUTOMATIC)
    seats = tuple(builders.binding(r, "us-a2", 2 * r, 2 * r + 1) for r in (0, 1))
    abroad = CopyWorkload(workload=WorkloadId("a-serve"), to_cluster=ClusterId("us-1"), bindings=seats)
    outcome = await rig.executor().execute(await rig.issued(warrant(abroad)))
    assert outcome.ending is Ending.REFUSED
    assert "decided again" in outcome.reason
    assert rig.world.writes == []


async def test_a_mode_that_observes_writes_nothing() -> None:
    rig = lawful(Rig(), Mode.OBSERVE)
    outcome = await rig.executor().execute(await rig.issued(warrant(FENCE)))
    assert outcome.ending is Ending.REFUSED
    assert "observe" in outcome.reason


async def test_a_warrant_that_the_ledger_does_not_know_is_refused_though_the_gate_s_key_signed_it() -> None:
    """Whoever stole the gate's key alone can seal one, and can issue none."""
    rig = lawful(Rig(), Mode.AUTOMATIC)
    with pytest.raises(Denied, match="was issued"):
        await rig.executor().execute(sealed(warrant(FENCE)))
    await rig.issued(warrant(FENCE))
    with pytest.raises(Denied, match="was issued"):
        await rig.executor().execute(sealed(warrant(FENCE, nonce="1" * 32)))
    assert rig.world.writes == []
    assert await rig.count(EntryKind.CONSUMED) == 0
