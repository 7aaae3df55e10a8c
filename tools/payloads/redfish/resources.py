"""One Redfish resource, by its `@odata.type`: `#Power.v1_3_0.Power` is read by whoever reads `Power` of version 1.

An error answer of a service is refused with the service's own words. A resource of a type that nobody reads is refused
too: its reader asked for the wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from estate.errors import BadInput
from tools.payloads import contexts, reading
from tools.payloads.contexts import Context
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.readings import Writing
from tools.payloads.parsed import Fault, Headers, Parsed
from tools.payloads.redfish import chassis, power, thermal
from tools.payloads.redfish.quantities import Page, link, path

_TYPE = re.compile(r"#(?P<name>[A-Za-z]+)(?:\.v(?P<major>\d{1,3})_\d{1,3}_\d{1,3})?\.(?P=name)")

type Reader = Callable[[Page, reading.Fields, Mention, Context], list[Fault] | None]

READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "Chassis": chassis.chassis,
        "ChassisCollection": chassis.collection,
        "ComputerSystem": chassis.system,
        "ComputerSystemCollection": chassis.collection,
        "Drive": chassis.drive,
        "EnvironmentMetrics": power.environment_metrics,
        "Manager": chassis.manager,
        "NetworkAdapter": chassis.adapter,
        "NetworkAdapterCollection": chassis.collection,
        "PCIeDevice": chassis.adapter,
        "Port": chassis.port,
        "PortCollection": chassis.collection,
        "Power": power.power,
        "PowerSubsystem": power.subsystem,
        "PowerSupply": power.supply_resource,
        "PowerSupplyCollection": chassis.collection,
        "PowerSupplyMetrics": power.supply_metrics,
        "ProcessorCollection": chassis.collection,
        "Processor": chassis.processor,
        "Sensor": thermal.sensor,
        "SensorCollection": chassis.collection,
        "Thermal": thermal.thermal,
        "ThermalSubsystem": thermal.subsystem,
        "ThermalMetrics": thermal.thermal_metrics,
    }
)
"""Who reads a type. All of them are version 1; DMTF keeps it compatible."""

_FOLLOWED: Mapping[str, tuple[str, ...]] = {
    "Chassis": (
        "Power",
        "PowerSubsystem",
        "Thermal",
        "ThermalSubsystem",
        "EnvironmentMetrics",
        "Sensors",
        "NetworkAdapters",
    ),
    "ComputerSystem": ("Processors",),
    "NetworkAdapter": ("Ports",),
    "PowerSubsystem": ("PowerSupplies",),
    "PowerSupply": ("Metrics",),
    "Processor": ("EnvironmentMetrics",),
    "ThermalSubsystem": ("ThermalMetrics",),
}
_NEWER = {"Power": "PowerSubsystem", "Thermal": "ThermalSubsystem"}


def parse(body: bytes, headers: Headers) -> Parsed:
    """What the resource states. `placet-host` is the service that it is from.

    Raises:
        BadInput: it is no resource, an error, or one of a type or version that nobody reads.
    """
    context = contexts.of(headers, "redfish")
    resource = reading.Fields(reading.load(body), "")
    if resource.has("error"):
        raise BadInput(f"the service answered with an error: {_error(resource.within('error'))}")
    reader = _reader(resource.text("@odata.type", ""))
    where = path(resource.text("@odata.id", ""))
    if not where:
        raise BadInput(f"@odata.id: `{reading.shown(resource.raw('@odata.id'))}` is not the path of a resource")
    page = Page(context.witness, [], Writing(context.source, context.at))
    faults = reader(page, resource, Mention(MentionKind.CHASSIS, where, context.host), context)
    return Parsed(faults=tuple(faults or ()), facts=tuple(page.facts), readings=page.readings.done())


def links(body: bytes) -> tuple[str, ...]:
    """The paths of what hangs on this resource and is read too, in its order; none for a body that is no resource.

    A chassis that has the newer subsystems has the same numbers in `Power` and `Thermal` again: these are left out.
    """
    resource = reading.Fields(reading.load(body), "")
    kind = _TYPE.fullmatch(resource.text("@odata.type", ""))
    name = kind["name"] if kind else ""
    if name.endswith("Collection"):
        members = (reading.Fields(m, "Members") for m in resource.items("Members"))
        found = [path(member.text("@odata.id", "")) for member in members]
    else:
        found = [link(resource, field) for field in _FOLLOWED.get(name, ()) if not _told_anew(resource, field)]
    return tuple(p for p in found if p)


def _told_anew(resource: reading.Fields, field: str) -> bool:
    newer = _NEWER.get(field)
    return newer is not None and resource.has(newer)


def _reader(written: str) -> Reader:
    found = _TYPE.fullmatch(written)
    if found is None:
        raise BadInput(f"@odata.type: `{reading.shown(written)}` is not a Redfish type such as `#Power.v1_3_0.Power`")
    if found["major"] not in {None, "1"}:
        raise BadInput(f"@odata.type: `{reading.shown(written)}` is of major version {found['major']}; 1 is read")
    if (reader := READERS.get(found["name"])) is None:
        raise BadInput(f"@odata.type: `{reading.shown(written)}` is not read: it states nothing that Placet keeps")
    return reader


def _error(error: reading.Fields) -> str:
    """The service's message, with the first of its extended ones."""
    words = [error.text("code", ""), error.text("message", "")]
    extended = error.raw("@Message.ExtendedInfo")
    first = extended[0] if isinstance(extended, list) and extended else extended
    if isinstance(first, dict):
        words.append(str(first.get("Message") or first.get("MessageId") or ""))
    return reading.shown("; ".join(w for w in words if w))
