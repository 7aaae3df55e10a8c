"""Heat: the `Thermal` resource of older services, `ThermalMetrics` and `Sensor` of newer ones."""

from __future__ import annotations

from tools.payloads import reading
from tools.payloads.contexts import Context
from tools.payloads.facts.mentions import Mention
from tools.payloads.facts.metrics import Metric
from tools.payloads.facts.statements import Attribute
from tools.payloads.parsed import Fault
from tools.payloads.redfish.power import members
from tools.payloads.redfish.quantities import Page, number, text

_THRESHOLDS = (
    ("UpperThresholdNonCritical", Metric.TEMPERATURE_CAUTION),
    ("UpperThresholdCritical", Metric.TEMPERATURE_CRITICAL),
    ("UpperThresholdFatal", Metric.TEMPERATURE_FATAL),
)
_SENSORS: dict[tuple[str, str], tuple[Metric, float]] = {
    ("Temperature", "Cel"): (Metric.TEMPERATURE, 1.0),
    ("Power", "W"): (Metric.POWER_DRAWN, 1.0),
    ("Voltage", "V"): (Metric.VOLTAGE, 1.0),
    ("Current", "A"): (Metric.CURRENT, 1.0),
    ("EnergyJoules", "J"): (Metric.ENERGY_USED, 1.0),
    ("EnergykWh", "kW.h"): (Metric.ENERGY_USED, 3.6e6),
    ("Humidity", "%"): (Metric.HUMIDITY, 0.01),
    ("Rotational", "{rev}/min"): (Metric.FAN_SPEED, 1.0),
    ("Rotational", "RPM"): (Metric.FAN_SPEED, 1.0),
    ("Rotational", "%"): (Metric.FAN_DUTY, 0.01),
    ("Percent", "%"): (Metric.FAN_DUTY, 0.01),
    ("LiquidFlowLPM", "L/min"): (Metric.COOLANT_FLOW, 1.0),
    ("PressurekPa", "kPa"): (Metric.PRESSURE, 1e3),
    ("PressurePa", "Pa"): (Metric.PRESSURE, 1.0),
}
"""`ReadingType` and `ReadingUnits` (UCUM), to metrics."""


def thermal(page: Page, resource: reading.Fields, subject: Mention, context: Context) -> list[Fault]:
    """Temperatures, fans and redundancy of one chassis. Subjects are parts of the chassis, not of `Thermal`."""
    whole = subject.whole()
    return [
        *members(page, resource, "Temperatures", whole, _temperature),
        *members(page, resource, "Fans", whole, _fan),
    ]


def subsystem(page: Page, resource: reading.Fields, subject: Mention, context: Context) -> None:
    """`ThermalSubsystem` of a chassis: its health; what it measures stands in `ThermalMetrics`."""
    page.state(subject.whole().of("ThermalSubsystem"), resource)


def thermal_metrics(page: Page, resource: reading.Fields, subject: Mention, context: Context) -> list[Fault]:
    """`ThermalMetrics` of a `ThermalSubsystem`."""
    whole = subject.whole()
    return members(page, resource, "TemperatureReadingsCelsius", whole, _excerpt)


def sensor(page: Page, resource: reading.Fields, subject: Mention, context: Context) -> None:
    """One `Sensor`, by its type and unit. A sensor of another type or unit is named and not read."""
    presence = page.state(subject, resource)
    page.say(subject, Attribute.NAME, text(resource, "Name"))
    found = _SENSORS.get((text(resource, "ReadingType"), text(resource, "ReadingUnits")))
    if found is None:
        page.say(subject, Attribute.DEVICE_KIND, text(resource, "ReadingType"))
        return
    metric, scale = found
    value = number(resource, "Reading")
    page.measure(subject, metric, None if value is None else value * scale, presence)


def _temperature(page: Page, member: reading.Fields, subject: Mention) -> None:
    presence = page.state(subject, member)
    page.say(subject, Attribute.NAME, text(member, "Name"))
    page.measure(subject, Metric.TEMPERATURE, number(member, "ReadingCelsius"), presence)
    for name, metric in _THRESHOLDS:
        if member.has(name):
            page.measure(subject, metric, number(member, name), presence)


def _fan(page: Page, member: reading.Fields, subject: Mention) -> None:
    presence = page.state(subject, member)
    page.say(subject, Attribute.NAME, text(member, "Name") or text(member, "FanName"))
    speed = number(member, "Reading")
    if text(member, "ReadingUnits") == "Percent":
        page.measure(subject, Metric.FAN_DUTY, None if speed is None else speed / 100, presence)
        return
    page.measure(subject, Metric.FAN_SPEED, speed, presence)
    if member.has("LowerThresholdFatal"):
        page.measure(subject, Metric.FAN_LEAST, number(member, "LowerThresholdFatal"), presence)


def _excerpt(page: Page, member: reading.Fields, subject: Mention) -> None:
    page.say(subject, Attribute.NAME, text(member, "DeviceName"))
    page.measure(subject, Metric.TEMPERATURE, number(member, "Reading"), page.state(subject, member))
