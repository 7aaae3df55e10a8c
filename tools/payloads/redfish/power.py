"""Power: the `Power` resource of older services (deprecated in 2020.4), `PowerSubsystem`'s supplies, their metrics."""

from __future__ import annotations

from collections.abc import Callable

from estate.errors import BadInput
from tools.payloads import reading
from tools.payloads.contexts import Context
from tools.payloads.facts.mentions import Mention
from tools.payloads.facts.metrics import Metric
from tools.payloads.facts.statements import Attribute
from tools.payloads.parsed import Fault
from tools.payloads.redfish.quantities import Page, fragment, number, text

_MOST_MEMBERS = 1_000
_KWH = 3.6e6

type Member = Callable[[Page, reading.Fields, Mention], None]


def power(page: Page, resource: reading.Fields, subject: Mention, context: Context) -> list[Fault]:
    """Supplies, controls, voltages and redundancy of one chassis. Subjects are parts of the chassis, not of `Power`."""
    whole = subject.whole()
    return [
        *members(page, resource, "PowerControl", whole, _control),
        *members(page, resource, "PowerSupplies", whole, supply),
        *members(page, resource, "Voltages", whole, _voltage),
        *members(page, resource, "Redundancy", whole, _redundancy),
    ]


def subsystem(page: Page, resource: reading.Fields, subject: Mention, context: Context) -> None:
    """`PowerSubsystem` of a chassis: what it can give and what is promised of it."""
    whole = subject.whole()
    presence = page.state(whole.of("PowerSubsystem"), resource)
    if resource.says("CapacityWatts"):
        page.measure(whole, Metric.POWER_CAPACITY, number(resource, "CapacityWatts"), presence)
    allocation = resource.within("Allocation")
    if allocation.says("AllocatedWatts"):
        page.measure(whole, Metric.POWER_ALLOCATED, number(allocation, "AllocatedWatts"), presence)


def supply_resource(page: Page, resource: reading.Fields, subject: Mention, context: Context) -> None:
    """One `PowerSupply` of a `PowerSubsystem`."""
    supply(page, resource, subject)


def supply_metrics(page: Page, resource: reading.Fields, subject: Mention, context: Context) -> None:
    """`PowerSupplyMetrics`: sensors in excerpt form."""
    whole = subject.whole()
    presence = page.state(whole, resource)
    for name, metric in (
        ("InputPowerWatts", Metric.POWER_DRAWN),
        ("OutputPowerWatts", Metric.POWER_SUPPLIED),
        ("InputVoltage", Metric.INPUT_VOLTAGE),
        ("InputCurrentAmps", Metric.CURRENT),
        ("TemperatureCelsius", Metric.TEMPERATURE),
    ):
        if resource.has(name):
            page.measure(whole, metric, number(resource.within(name), "Reading"), presence)


def environment_metrics(page: Page, resource: reading.Fields, subject: Mention, context: Context) -> None:
    """`EnvironmentMetrics` of a chassis, GPU or other device."""
    whole = subject.whole()
    presence = page.state(whole, resource)
    for name, metric, scale in (
        ("PowerWatts", Metric.POWER_DRAWN, 1.0),
        ("PowerLimitWatts", Metric.POWER_LIMIT, 1.0),
        ("EnergykWh", Metric.ENERGY_USED, _KWH),
        ("TemperatureCelsius", Metric.TEMPERATURE, 1.0),
        ("HumidityPercent", Metric.HUMIDITY, 0.01),
    ):
        if resource.has(name):
            value = number(resource.within(name), "Reading" if name != "PowerLimitWatts" else "SetPoint")
            page.measure(whole, metric, None if value is None else value * scale, presence)


def members(page: Page, resource: reading.Fields, field: str, whole: Mention, read: Member) -> list[Fault]:
    """Each member of an array; one that cannot be read costs no other."""
    faults = []
    for number_, item in enumerate(resource.items(field)[:_MOST_MEMBERS]):
        at = resource.place(f"{field}.{number_}")
        try:
            member = reading.Fields(item, at)
            own = fragment(member.text("@odata.id", ""))
            read(page, member, whole.of(own or f"{field}/{text(member, 'MemberId') or number_}"))
        except BadInput as error:
            faults.append(Fault(at, str(error)))
    return faults


def supply(page: Page, member: reading.Fields, subject: Mention) -> None:
    """A power supply in either form."""
    presence = page.state(subject, member)
    for name, attribute in (
        ("Name", Attribute.NAME),
        ("Manufacturer", Attribute.MANUFACTURER),
        ("Model", Attribute.MODEL),
        ("SerialNumber", Attribute.SERIAL),
        ("PartNumber", Attribute.PART_NUMBER),
        ("FirmwareVersion", Attribute.FIRMWARE),
    ):
        page.say(subject, attribute, text(member, name))
    for name, metric in (
        ("PowerInputWatts", Metric.POWER_DRAWN),
        ("LastPowerOutputWatts", Metric.POWER_SUPPLIED),
        ("PowerOutputWatts", Metric.POWER_SUPPLIED),
        ("PowerCapacityWatts", Metric.POWER_CAPACITY),
        ("LineInputVoltage", Metric.INPUT_VOLTAGE),
    ):
        if member.says(name):
            page.measure(subject, metric, number(member, name), presence)


def _control(page: Page, member: reading.Fields, subject: Mention) -> None:
    presence = page.state(subject, member)
    for name, metric in (
        ("PowerConsumedWatts", Metric.POWER_DRAWN),
        ("PowerCapacityWatts", Metric.POWER_CAPACITY),
        ("PowerAllocatedWatts", Metric.POWER_ALLOCATED),
    ):
        if member.says(name):
            page.measure(subject, metric, number(member, name), presence)
    limit = member.within("PowerLimit")
    if limit.says("LimitInWatts"):
        page.measure(subject, Metric.POWER_LIMIT, number(limit, "LimitInWatts"), presence)


def _voltage(page: Page, member: reading.Fields, subject: Mention) -> None:
    presence = page.state(subject, member)
    page.say(subject, Attribute.NAME, text(member, "Name"))
    if member.says("ReadingVolts"):
        page.measure(subject, Metric.VOLTAGE, number(member, "ReadingVolts"), presence)


def _redundancy(page: Page, member: reading.Fields, subject: Mention) -> None:
    presence = page.state(subject, member)
    page.say(subject, Attribute.NAME, text(member, "Name"))
    if member.says("MinNumNeeded"):
        page.measure(subject, Metric.REDUNDANCY_NEEDED, number(member, "MinNumNeeded"), presence)
