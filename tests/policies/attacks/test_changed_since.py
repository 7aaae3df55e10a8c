"""Rules, schema and facts that change between the decision and the act: the executor goes by what is in force then."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from estate.errors import BadInput
from estate.ids import DatasetId, ExecutorId, TenantId
from estate.law import Facts, Grant
from estate.modes import Mode
from estate.outcomes import Ending
from estate.verdicts import Decision
from policies import deciding
from policies.bundle import SHIPPED, Bundle
from policies.gate import Gate
from policies.keyrings import StaticRing
from policies.redeciding import decide_again
from policies.signed_facts import Latch
from policies.signing.facts import seal_facts
from policies.warrants import read_warrant
from tests.builders import INSTALLATION, START, TestEntropy, estate, facts, proposal, residency
from tests.execution.rig import AUDIENCE, SIGNER, Rig
from tests.execution.test_executor_files import lawful
from tests.policies.asking import ADA, MOVE_A, enrolments, law, orders
from tests.policies.attacks.test_attacks import KEY, Place
from tools.execution.memory import MemoryTarget

SCANS = DatasetId("b-scans")
GRANT = Grant(dataset=SCANS, to=TenantId("tenant-a"), basis="DPA-7", valid_until=START + timedelta(days=30))


def lent(version: int, *grants: Grant) -> Facts:
    """Facts by which tenant-a's records were made of tenant-b's scans, with these grants."""
    known = facts()
    (records,) = known.datasets
    scans = records.model_copy(update={"id": SCANS, "tenant": TenantId("tenant-b"), "residency": residency("DE", "FR")})
    made = records.model_copy(update={"derived_from": (SCANS,)})
    return Facts.read(facts(version=version, datasets=(made, scans), grants=grants).json_form())


def issuing(rig: Rig) -> Gate:
    """A gate on the rig's ledger, with the key that the rig's executors trust."""
    return Gate(
        installation=INSTALLATION,
        ledger=rig.ledger,
        signer=SIGNER,
        bundle=law(),
        newest=lambda: rig.world.estate,
        controls=orders(),
        enrolments=enrolments(),
        clock=rig.clock,
        entropy=TestEntropy(),
        audience=lambda clusters: AUDIENCE,
    )


@pytest.mark.parametrize(
    ("grants", "ending"),
    [
        ((GRANT,), Ending.VERIFIED),
        ((), Ending.REFUSED),
        ((GRANT.model_copy(update={"clusters": ("us-1",)}),), Ending.REFUSED),
    ],
    ids=["kept", "revoked", "narrowed"],
)
async def test_a_grant_that_new_signed_facts_take_back_stops_its_use_before_the_first_write(
    grants: tuple[Grant, ...], ending: Ending
) -> None:
    """Decided and sealed while it stood; then its owner's revocation was signed, and no byte is moved any more."""
    rig = lawful(Rig(world=MemoryTarget(estate(law_base=lent(1, GRANT)))), Mode.AUTOMATIC)
    answer = await issuing(rig).submit(proposal(MOVE_A, on=rig.world.estate))
    assert answer.warrant_envelope is not None
    opened = Latch(StaticRing.of(ADA.signer.public_key), rig.clock, 1)(seal_facts(lent(2, *grants), ADA.signer))
    rig.world.estate = rig.world.estate.with_facts(opened)
    outcome = await rig.executor().execute(answer.warrant_envelope)
    assert outcome.ending is ending
    assert bool(rig.world.writes) is (ending is Ending.VERIFIED)
    assert ending is Ending.VERIFIED or "tenant-data" in outcome.reason


NO_MOVES = """@id("no-moves")
@dimension("blast-radius")
@reason("nothing is moved this week")
@remedy("wait until it is over")
@firm("the house decided so")
@obligation("RTS 2024/1774 art. 17")
forbid (principal, action == Action::"MoveWorkload", resource);
"""
CHANGED: list[tuple[str, str, str, str]] = [
    ("a rule", "tier1/week.cedar", "", "no-moves"),
    ("a kind of change", "schema.cedarschema", 'action "MoveWorkload", "CopyWorkload"', deciding.UNPERMITTED),
    ("what must be told", "schema.cedarschema", "  lone: Bool,", deciding.ERRORED),
]


@pytest.mark.parametrize(("file", "old", "rule"), [c[1:] for c in CHANGED], ids=[c[0] for c in CHANGED])
async def test_rules_and_a_schema_that_changed_since_are_those_that_count(
    tmp_path: Path, file: str, old: str, rule: str
) -> None:
    answer = await Place(law()).gate.submit(proposal(MOVE_A))
    assert answer.warrant_envelope is not None
    root = Path(shutil.copytree(SHIPPED, tmp_path / "rules"))
    new = {"": NO_MOVES, CHANGED[1][2]: 'action "CopyWorkload"', CHANGED[2][2]: "  lone: Bool,\n  quiet: Bool,"}[old]
    was = (root / file).read_text(encoding="utf-8") if old else ""
    assert old in was
    (root / file).write_text(was.replace(old, new) if old else new, encoding="utf-8")
    warrant = read_warrant(answer.warrant_envelope, StaticRing.of(KEY.public_key), ExecutorId("twin-1"), INSTALLATION)
    found = decide_again(warrant, estate(), Bundle.load(root), orders(), START)
    assert (found.decision, rule in found.policies) == (Decision.FORBID, True)
    assert found.bundle != warrant.bundle


def test_a_schema_under_which_a_rule_reads_another_type_is_not_loaded(tmp_path: Path) -> None:
    root = Path(shutil.copytree(SHIPPED, tmp_path / "rules"))
    schema = root / "schema.cedarschema"
    schema.write_text(
        schema.read_text(encoding="utf-8").replace("  places: Bool,", "  places: String,"), encoding="utf-8"
    )
    with pytest.raises(BadInput, match="schema"):
        Bundle.load(root)


@pytest.mark.parametrize(("folder", "fault"), [("rules", "is no folder of rules"), (".", "missing")])
def test_without_rules_there_is_no_law_to_decide_by(tmp_path: Path, folder: str, fault: str) -> None:
    """Nothing loaded denies: no gate starts on it."""
    with pytest.raises(BadInput, match=fault):
        Bundle.load(tmp_path / folder)
