"""Whom the inventory asks, in one running system: a real Prometheus, a Redfish service over HTTP, a price list.

What they say is seen where people and minds look: readings with their age and source, a power supply that fails, a
price with its expiry. What nobody knows is counted, what nobody understands is told once, and who falls silent is said.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from console.door.commands import Coverage, Describe, Get, Order, Ranked, Top, Topology
from estate.readings import Gauge
from estate.references import Ref
from tests.asking.exporters import Exporter, exporting
from tests.asking.hearing import kept_secret, now
from tests.asking.services import ROOT, Bmc, collection, link, resource, served
from tests.payloads.samples import SAMPLES
from tests.system.composed import SPARE, Composed, found, founded, settings, started
from tools.inventory.asking.settings import (
    Log,
    PrometheusServer,
    RedfishService,
    Settings,
    Text,
    WatchedFile,
    WatchedLog,
)
from tools.prometheus.launching import Target, prometheus

pytestmark = [pytest.mark.nats, pytest.mark.prometheus, pytest.mark.xdist_group("prometheus")]

UUID = "4c4c4544-0053-5210-8038-c8c04f583034"
OFFER = """\
kind: placet.estate
v: 1
items:
  - kind: offer
    id: p5
    provider: aws
    model: H100-SXM5-80GB
    accelerators_each: 8
    valid_until: 2027-12-31T00:00:00Z
    aliases: [{kind: provider-id, value: aws/WHERE}]
"""


def chassis(supply: str) -> list[dict[str, Any]]:
    """A machine with one power supply, an inlet sensor, and a resource that nobody can read."""
    return [
        collection("/Chassis", "Chassis", "/Chassis/1", "/Chassis/Odd"),
        collection("/Systems", "ComputerSystem", "/Systems/1"),
        resource("/Systems/1", "ComputerSystem", UUID=UUID, Manufacturer="Acme", Model="G8", SerialNumber="SN-1"),
        resource("/Chassis/1", "Chassis", Power=link("/Chassis/1/Power"), Thermal=link("/Chassis/1/Thermal")),
        resource("/Chassis/Odd", "Chassis", SerialNumber={"not": "text"}),
        resource(
            "/Chassis/1/Power",
            "Power",
            PowerControl=[{"@odata.id": f"{ROOT}/Chassis/1/Power#/PowerControl/0", "PowerConsumedWatts": 5432}],
            PowerSupplies=[{"MemberId": "1", "Name": "PSU 2", "Status": {"State": "Enabled", "Health": supply}}],
        ),
        resource(
            "/Chassis/1/Thermal", "Thermal", Temperatures=[{"MemberId": "0", "Name": "Inlet", "ReadingCelsius": 24}]
        ),
    ]


@dataclass
class Asked:
    """A system, and whom its inventory asks."""

    composed: Composed
    exporter: Exporter
    bmc: Bmc
    log: Path
    device: str
    logs: list[Any]

    async def rows(self, command: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = await self.composed.tell(command)
        return rows

    async def row(self, command: Any, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first row of an answer that holds, once there is one."""

        async def look() -> dict[str, Any] | None:
            return next((row for row in await self.rows(command) if holds(row)), None)

        return await found(look, f"{command}", 40)


def gauges(device: str, celsius: float) -> str:
    labels = f'gpu="0",UUID="{device}",modelName="H100"'
    return (
        f"DCGM_FI_DEV_GPU_TEMP{{{labels}}} {celsius}\n"
        f"DCGM_FI_DEV_POWER_USAGE{{{labels}}} 612.5\n"
        f"DCGM_FI_DEV_CLOCK_THROTTLE_REASONS{{{labels}}} 64\n"
        'DCGM_FI_DEV_GPU_TEMP{gpu="9",UUID="GPU-nobodys"} 44\n'
    )


@pytest.fixture(scope="module")
async def asked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Asked]:
    folder = tmp_path_factory.mktemp("sources")
    estate, prices, log = folder / "offers.yaml", folder / "prices.json", folder / "kern.log"
    log.write_text("an old line\n")
    spot = SAMPLES["cloud", "spot prices"]
    row = json.loads(spot)["SpotPriceHistory"][0]
    estate.write_text(OFFER.replace("WHERE", f"{row['AvailabilityZone']}/{row['InstanceType']}"))
    prices.write_text(spot)
    bmc = Bmc.of(chassis("Critical"))
    async with exporting() as exporter, served(bmc), prometheus([Target(exporter.address, {})]) as server:
        sources = Settings(
            prometheus=(PrometheusServer(id="main", url=server.url, every_seconds=1, window_seconds=30),),
            redfish=(
                RedfishService(
                    id="bmc-1",
                    url=bmc.url,
                    user="reader",
                    password_file=kept_secret("secret"),
                    manages=Ref("node", "eu-a1"),
                    every_seconds=1,
                ),
            ),
            files=(WatchedFile(id="spot", path=prices, format=Text.CLOUD, every_seconds=1),),
            logs=(WatchedLog(id="kern", path=log, format=Log.KERNEL),),
        )
        with capture_logs() as logs:
            async with started(founded(folder / "state"), settings(estate=(estate,), sources=sources)) as composed:
                world = await composed.system.world.snapshot()
                node = next(n for n in world.nodes() if n.id == "eu-a1")
                device = node.accelerators[0].uuid
                exporter.text = gauges(device, 71)
                yield Asked(composed, exporter, bmc, log, device, logs)


async def test_a_temperature_is_seen_with_its_age_and_source(asked: Asked) -> None:
    node = await asked.row(Top(what=Ranked.NODES, by=Order.TEMPERATURE), lambda r: r["celsius"] == 71)
    assert (node["name"], node["read_seconds_ago"] < 60) == ("eu-a1", True)
    device = await asked.row(Get(what="accelerator", name="eu-a1/0"), lambda r: r.get("celsius") == 71)
    assert (device["watts"], device["read_by"]) == (612, "prometheus/main")
    (ranked, *_) = await asked.rows(Top(what=Ranked.DEVICES, by=Order.TEMPERATURE))
    assert (ranked["name"], ranked["celsius"], ranked["throttled_by"]) == ("eu-a1/0", 71, ["hardware-thermal"])
    tree: Any = await asked.composed.tell(Topology())
    assert next(s for s in tree["sites"] if s["id"] == "eu-de")["figures"]["hottest"] == 71_000


async def test_every_process_has_it_in_its_own_snapshot(asked: Asked) -> None:
    """What gate and placement may ask is what people see."""
    await asked.row(Get(what="accelerator", name="eu-a1/0"), lambda r: r.get("celsius") == 71)
    for name, follower in asked.composed.system.inventories.items():

        async def told(follower: Any = follower) -> Any:
            readings = follower.newest().readings(Ref("accelerator", "eu-a1/0"))
            return next((r for r in readings if r.gauge is Gauge.TEMPERATURE), None)

        assert (await found(told, f"{name}'s reading")).value == 71_000


async def test_a_power_supply_that_fails_is_a_part_of_its_node_until_it_is_well(asked: Asked) -> None:
    part = await asked.row(Get(what="part"), lambda r: r["state"] == "failed")
    assert (part["of"], part["place"], part["says"]) == ("node/eu-a1", "PowerSupplies/1", "Critical; Enabled")
    told: Any = await asked.composed.tell(Describe(what="node", name="eu-a1"))
    assert (told["serial"], told["product"], told["system_uuid"]) == ("SN-1", "Acme G8", UUID)
    by = {word["source"]: word for word in told["told_by"]}
    assert {"serial", "product"} <= set(by["redfish/bmc-1"]["fields"])
    assert "accelerators" in by["cluster eu-1"]["fields"]
    assert all(word["age_seconds"] is not None for word in by.values()), "each field has a time"
    measured = {(m["gauge"], m["value"], m["source"]) for m in told["measured"]}
    assert ("power_milliwatts", 5_432_000, "redfish/bmc-1") in measured
    assert ("inlet_millicelsius", 24_000, "redfish/bmc-1") in measured
    asked.bmc.resources |= Bmc.of(chassis("OK")).resources

    async def gone() -> bool | None:
        return None if await asked.rows(Get(what="part")) else True

    await found(gone, "the part to be well")


async def test_a_price_is_shown_with_its_source_and_expiry(asked: Asked) -> None:
    price = await asked.row(Get(what="price"), lambda r: r["provider"] == "aws")
    assert (price["unit"], price["amount"], price["model"]) == ("gpu-hour", 3_904_312, "H100-SXM5-80GB")
    assert price["valid_until"]
    assert price["stated_by"].startswith("files/spot")


async def test_what_nobody_knows_is_counted_and_what_nobody_understands_is_told_once(asked: Asked) -> None:
    state = await asked.row(Get(what="source"), lambda r: r["name"] == "prometheus.main" and r["unresolved"] > 0)
    assert "gpu-uuid:GPU-nobodys: nobody knows it" in state["examples"]
    cover = await asked.row(Coverage(), lambda r: r["sources"] == ["prometheus"] and r["unresolved"] > 0)
    assert (cover["layer"], cover["standing"]) == ("sources", "fresh")
    rounds = asked.bmc.asked[f"GET {ROOT}/Chassis"]

    async def later() -> bool | None:
        return True if asked.bmc.asked[f"GET {ROOT}/Chassis"] > rounds + 1 else None

    await found(later, "two more rounds")
    told = [entry for entry in asked.logs if entry["event"] == "payload faulty" and "Odd" in entry["fault"]]
    assert len(told) == 1


async def test_doctor_asks_each_of_them_once(asked: Asked) -> None:
    _, out, _ = await asked.composed.cli("doctor", "-o", "json")
    found = {row["check"]: row for row in json.loads(out)}
    names = ("prometheus/main", "redfish/bmc-1", "files/spot", "logs/kern")
    assert {name: found[f"source {name}"]["well"] for name in names} == dict.fromkeys(names, True)
    assert "1 that cannot be read" in found["source redfish/bmc-1"]["found"]


async def test_who_falls_silent_is_said_and_said_to_be_back(asked: Asked) -> None:
    asked.bmc.status = 503
    silent = await asked.row(Get(what="source"), lambda r: r["name"] == "redfish.bmc-1" and r["speech"] == "silent")
    assert "503" in silent["failure"]
    cover = await asked.row(Coverage(), lambda r: r["sources"] == ["redfish"])
    assert (cover["standing"], cover["stale"]) == ("stale", 1)
    told: Any = await asked.composed.tell(Describe(what="node", name="eu-a1"))
    assert told["serial"] == "SN-1", "what it said stays, and ages"
    asked.bmc.status = 0
    await asked.row(Get(what="source"), lambda r: r["name"] == "redfish.bmc-1" and r["speech"] == "speaks")


async def test_a_line_that_a_kernel_writes_fences_its_node(asked: Asked) -> None:
    """The one way in: it goes through intake as if its machine had posted it."""
    said = json.loads(await asked.composed.good())
    with asked.log.open("a") as log:
        log.write(f"{now():%Y-%m-%dT%H:%M:%S}+00:00 {said['host']} kernel: {said['lines'][0]['text']}\n")

    async def fenced() -> bool | None:
        return True if await asked.composed.cordoned(SPARE) else None

    await found(fenced, "the fence", 40)
    (incident,) = [i for i in await asked.composed.incidents() if i.domain == f"node/{SPARE}"]
    assert incident.events[0].channel == "inventory"
