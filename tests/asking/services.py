"""A small Redfish service over real HTTP: it is not a BMC, it serves payloads and fails where a test says so."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

ROOT = "/redfish/v1"


def resource(path: str, type: str, **fields: object) -> dict[str, Any]:
    """A resource of version 1."""
    name = type if type.endswith("Collection") else f"{type}.v1_0_0"
    return {"@odata.id": f"{ROOT}{path}", "@odata.type": f"#{name}.{type}", **fields}


def collection(path: str, type: str, *members: str) -> dict[str, Any]:
    """A collection of the members' paths."""
    return resource(path, f"{type}Collection", Members=[{"@odata.id": f"{ROOT}{m}"} for m in members])


def link(path: str) -> dict[str, str]:
    return {"@odata.id": f"{ROOT}{path}"}


def tree() -> list[dict[str, Any]]:
    """Two chassis: one older, one with the newer subsystems (and the same numbers in the older form); one system."""
    return [
        collection("/Chassis", "Chassis", "/Chassis/Old", "/Chassis/New"),
        collection("/Systems", "ComputerSystem", "/Systems/1"),
        resource("/Systems/1", "ComputerSystem", UUID="4c4c4544-0053-5210-8038-c8c04f583034", HostName="gpu-7"),
        resource("/Chassis/Old", "Chassis", Model="X", Power=link("/Chassis/Old/Power")),
        resource("/Chassis/Old/Power", "Power", PowerControl=[{"MemberId": "0", "PowerConsumedWatts": 300}]),
        resource(
            "/Chassis/New",
            "Chassis",
            Power=link("/Chassis/New/Power"),
            PowerSubsystem=link("/Chassis/New/PowerSubsystem"),
            ThermalSubsystem=link("/Chassis/New/ThermalSubsystem"),
            Sensors=link("/Chassis/New/Sensors"),
        ),
        resource("/Chassis/New/PowerSubsystem", "PowerSubsystem", CapacityWatts=3000,
                 PowerSupplies=link("/Chassis/New/PowerSubsystem/PowerSupplies")),
        collection("/Chassis/New/PowerSubsystem/PowerSupplies", "PowerSupply",
                   "/Chassis/New/PowerSubsystem/PowerSupplies/A"),
        resource("/Chassis/New/PowerSubsystem/PowerSupplies/A", "PowerSupply", PowerCapacityWatts=1500,
                 Metrics=link("/Chassis/New/PowerSubsystem/PowerSupplies/A/Metrics")),
        resource("/Chassis/New/PowerSubsystem/PowerSupplies/A/Metrics", "PowerSupplyMetrics",
                 InputPowerWatts={"Reading": 612.5}),
        resource("/Chassis/New/ThermalSubsystem", "ThermalSubsystem",
                 ThermalMetrics=link("/Chassis/New/ThermalSubsystem/ThermalMetrics")),
        resource("/Chassis/New/ThermalSubsystem/ThermalMetrics", "ThermalMetrics",
                 TemperatureReadingsCelsius=[{"DeviceName": "Inlet", "Reading": 24}]),
        collection("/Chassis/New/Sensors", "Sensor", "/Chassis/New/Sensors/Leak", "/Chassis/New/Sensors/Flow"),
        resource("/Chassis/New/Sensors/Flow", "Sensor", ReadingType="LiquidFlowLPM", ReadingUnits="L/min", Reading=40),
        resource("/Chassis/New/Sensors/Leak", "Sensor", ReadingType="Humidity", ReadingUnits="%", Reading="wet"),
    ]  # fmt: skip


@dataclass
class Bmc:
    """What the service does next; tests change it while it runs."""

    resources: dict[str, bytes] = field(default_factory=dict)
    password: str = "secret"
    sessions: bool = True
    silent: bool = False
    """Take requests and never answer."""
    status: int = 0
    """Answer everything with it."""
    asked: Counter[str] = field(default_factory=Counter)
    tokens: set[str] = field(default_factory=set)
    opened: int = 0
    url: str = ""

    @staticmethod
    def of(resources: list[dict[str, Any]]) -> Bmc:
        return Bmc({r["@odata.id"]: json.dumps(r).encode() for r in resources})

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked[f"{request.method} {request.path}"] += 1
        if self.silent:
            await asyncio.sleep(60)
        if self.status:
            return web.Response(status=self.status, text="as the test says")
        if request.path == f"{ROOT}/SessionService/Sessions":
            return await self._open(request)
        if not self._admitted(request):
            return web.Response(status=401)
        if request.method == "DELETE":
            self.tokens.discard(request.headers.get("X-Auth-Token", ""))
            return web.Response(status=204)
        body = self.resources.get(request.path)
        return web.Response(body=body, content_type="application/json") if body else web.Response(status=404)

    async def _open(self, request: web.Request) -> web.StreamResponse:
        if not self.sessions:
            return web.Response(status=404)
        if (await request.json()) != {"UserName": "reader", "Password": self.password}:
            return web.Response(status=401)
        self.opened += 1
        self.tokens.add(token := f"token-{self.opened}")
        place = f"{ROOT}/SessionService/Sessions/{self.opened}"
        return web.Response(status=201, headers={"X-Auth-Token": token, "Location": place})

    def _admitted(self, request: web.Request) -> bool:
        if self.sessions:
            return request.headers.get("X-Auth-Token", "") in self.tokens
        return request.headers.get("Authorization", "").startswith("Basic ")


@asynccontextmanager
async def served(bmc: Bmc) -> AsyncIterator[Bmc]:
    """The service on a loopback port."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", bmc.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    bmc.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield bmc
    finally:
        await runner.cleanup()
