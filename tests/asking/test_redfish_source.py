"""The Redfish source against a real HTTP server of ours that serves payloads and fails as BMCs do."""

from __future__ import annotations

import json

from structlog.testing import capture_logs

from tests.asking.hearing import HASTE, kept_secret, listening, now
from tests.asking.services import ROOT, Bmc, served, tree
from tests.payloads.conftest import CASES
from tools.inventory.asking.redfish import RedfishSource
from tools.inventory.asking.settings import RedfishService
from tools.inventory.port import Heard
from tools.payloads.facts.metrics import Metric
from tools.payloads.facts.statements import Attribute, Relation, Statement, Tie

import pytest  # isort: skip


def source(*bmcs: Bmc, timeout: int = 5, password: str = "secret") -> RedfishSource:
    file = kept_secret(password)
    services = [
        RedfishService(id=f"bmc-{n}", url=b.url, user="reader", password_file=file, timeout_seconds=timeout)
        for n, b in enumerate(bmcs)
    ]
    return RedfishSource(services, now, HASTE)


def spoke(heard: Heard) -> bool:
    return not heard.failure


def failed(heard: Heard) -> bool:
    return bool(heard.failure)


def values(heard: Heard) -> dict[tuple[str, Metric], float | None]:
    return {(str(r.subject).rpartition("/Chassis/")[2], r.metric): r.value for rs in heard.readings for r in rs}


async def test_every_chassis_is_read_in_whichever_form_it_has() -> None:
    async with served(Bmc.of(tree())) as bmc, listening(source(bmc)) as ear:
        heard = await ear.until(spoke)
    assert values(heard) == {
        ("Old#PowerControl/0", Metric.POWER_DRAWN): 300.0,
        ("New", Metric.POWER_CAPACITY): 3000.0,
        ("New/PowerSubsystem/PowerSupplies/A", Metric.POWER_CAPACITY): 1500.0,
        ("New/PowerSubsystem/PowerSupplies/A", Metric.POWER_DRAWN): 612.5,
        ("New#TemperatureReadingsCelsius/0", Metric.TEMPERATURE): 24.0,
        ("New/Sensors/Flow", Metric.COOLANT_FLOW): 40.0,
    }
    assert [f.at for f in heard.faults] == [f"{ROOT}/Chassis/New/Sensors/Leak"]
    assert bmc.asked[f"GET {ROOT}/Chassis/New/Power"] == 0
    assert any(isinstance(f, Relation) and f.tie is Tie.SAME_AS and f.other.value == "gpu-7" for f in heard.facts)


async def test_whoever_waits_for_everything_waits_for_no_bmc() -> None:
    """The writer publishes nothing before each source has shown all that it owns: this one owns no node."""
    bmc = Bmc.of(tree())
    bmc.silent = True
    async with served(bmc), listening(source(bmc, timeout=1)) as ear:
        await ear.until(failed)
    assert ear.first is not None
    assert (ear.first.whole, ear.first.nodes) == (True, ())


async def test_a_bmc_that_fails_in_passing_is_asked_again_and_its_word_ages_visibly() -> None:
    bmc = Bmc.of(tree())
    async with served(bmc), listening(source(bmc)) as ear:
        with capture_logs() as logs:
            await ear.until(spoke)
            (before,) = ear.standings.values()
            bmc.status = 503
            await ear.until(failed)
            await ear.until(failed)
            (during,) = ear.standings.values()
            bmc.status = 0
            await ear.until(spoke)
            (after,) = ear.standings.values()
    assert during.heard_at is not None
    assert before.heard_at is not None
    assert during.heard_at >= before.heard_at
    assert during.failing_since is not None
    assert "503" in during.failure
    assert (after.failing_since, after.failure) == (None, "")
    told = [entry["event"] for entry in logs if entry["event"] in {"target lost", "target back"}]
    assert told == ["target lost", "target back"]


async def test_a_fault_that_stays_is_told_once() -> None:
    bmc = Bmc.of(tree())
    async with served(bmc), listening(source(bmc)) as ear:
        assert len((await ear.until(spoke)).faults) == 1
        assert (await ear.until(spoke)).faults == ()
        leak = json.loads(bmc.resources[f"{ROOT}/Chassis/New/Sensors/Leak"])
        bmc.resources[f"{ROOT}/Chassis/New/Sensors/Leak"] = json.dumps(leak | {"Reading": 55}).encode()
        await ear.until(lambda heard: ("New/Sensors/Leak", Metric.HUMIDITY) in values(heard))
        bmc.resources[f"{ROOT}/Chassis/New/Sensors/Leak"] = json.dumps(leak).encode()
        assert len((await ear.until(lambda heard: bool(heard.faults))).faults) == 1


async def test_one_silent_bmc_costs_the_others_nothing() -> None:
    dead, alive = Bmc.of(tree()), Bmc.of(tree())
    dead.silent = True
    async with served(dead), served(alive), listening(source(dead, alive, timeout=1)) as ear:
        for _ in range(3):
            assert (await ear.until(spoke)).target == "bmc-1"


async def test_a_session_is_opened_once_renewed_when_it_is_forgotten_and_closed() -> None:
    """A BMC has a handful of sessions: leaking one each round locks everybody out."""
    bmc = Bmc.of(tree())
    async with served(bmc):
        async with listening(source(bmc)) as ear:
            await ear.until(spoke)
            await ear.until(spoke)
            assert bmc.opened == 1
            bmc.tokens.clear()
            await ear.until(spoke)
            await ear.until(spoke)
            assert bmc.opened == 2
        assert bmc.tokens == set()


async def test_a_wrong_password_is_a_refusal_that_names_the_remedy() -> None:
    bmc = Bmc.of(tree())
    async with served(bmc), listening(source(bmc, password="guess")) as ear:
        heard = await ear.until(failed)
    assert "correct the credentials" in heard.failure
    assert "guess" not in heard.failure


async def test_a_service_without_sessions_gets_basic_authentication() -> None:
    bmc = Bmc.of(tree())
    bmc.sessions = False
    async with served(bmc), listening(source(bmc)) as ear:
        assert len(values(await ear.until(spoke))) == 6


async def test_links_that_lead_away_or_around_are_not_followed() -> None:
    bmc = Bmc.of(tree())
    around = {"@odata.id": f"{ROOT}/Chassis", "@odata.type": "#ChassisCollection.ChassisCollection"}
    members = [
        {"@odata.id": p} for p in ("http://evil/redfish/v1/x", "/etc/passwd", f"{ROOT}/Chassis", f"{ROOT}/Chassis/Old")
    ]
    bmc.resources[f"{ROOT}/Chassis"] = json.dumps(around | {"Members": members}).encode()
    async with served(bmc), listening(source(bmc)) as ear:
        heard = await ear.until(spoke)
    assert ("Old#PowerControl/0", Metric.POWER_DRAWN) in values(heard)
    assert not [path for path in bmc.asked if "passwd" in path or "evil" in path]
    assert bmc.asked[f"GET {ROOT}/Chassis"] <= 2


@pytest.mark.skipif(not CASES.is_dir(), reason="no ../shared/cases beside this repository")
async def test_recorded_resources_are_read_over_http() -> None:
    """DMTF's samples in the places that they name themselves; what the recording lacks is a fault, not a failure."""
    recorded = [json.loads(p.read_bytes()) for p in (CASES / "redfish" / "dmtf_samples_via_sushy").glob("*.json")]
    bmc = Bmc({r["@odata.id"]: json.dumps(r).encode() for r in recorded if "@odata.id" in r})
    async with served(bmc), listening(source(bmc)) as ear:
        heard = await ear.until(spoke)
    assert Statement in {type(f) for f in heard.facts}
    assert {f.value for f in heard.facts if isinstance(f, Statement) and f.attribute is Attribute.MODEL} >= {"SX1000"}
    assert values(heard)[("Blade1#Temperatures/0", Metric.TEMPERATURE)] == 62.0
    assert any("Blade2" in f.at and "404" in f.reason for f in heard.faults)
