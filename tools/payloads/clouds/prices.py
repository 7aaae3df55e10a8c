"""What an hour of an instance or a kilowatt-hour costs: AWS spot history, Azure's retail prices, day-ahead power.

Google's price list counts cores and gigabytes, not instances, and is not read.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from estate.errors import BadInput
from tools.payloads import reading
from tools.payloads.clouds import amounts
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.statements import Basis, Fact, Price, Witness

_LINUX = "Linux/UNIX"
_LAST_MILLISECOND = 253402300799000
_POWER_UNITS = {"eur/mwh": (Decimal("0.001"), "EUR"), "eur/kwh": (Decimal(1), "EUR")}


def aws_spot(item: reading.Fields, witness: Witness, region: str) -> Fact | None:
    """One of `aws ec2 describe-spot-price-history`; prices of systems other than Linux are ignored."""
    if not item.text("ProductDescription", _LINUX).startswith(_LINUX):
        return None
    where, kind = reading.name(item.text("AvailabilityZone")), reading.name(item.text("InstanceType"))
    return Price(
        Mention(MentionKind.OFFER, f"{where}/{kind}", "aws"),
        Basis.SPOT_INSTANCE_HOUR,
        amounts.micros(item, "SpotPrice"),
        "USD",
        witness,
        since=item.time("Timestamp"),
    )


def azure_retail(item: reading.Fields, witness: Witness, region: str) -> Fact | None:
    """One of Azure's retail price answer: hours of virtual machines, on demand or spot; others are ignored."""
    if item.text("type", "") != "Consumption" or item.text("unitOfMeasure", "") != "1 Hour":
        return None
    words = f"{item.text('skuName', '')} {item.text('productName', '')}"
    if "Windows" in words or "Low Priority" in words:
        return None
    where, kind = reading.name(item.text("armRegionName")), reading.name(item.text("armSkuName"))
    return Price(
        Mention(MentionKind.OFFER, f"{where}/{kind}", "azure"),
        Basis.SPOT_INSTANCE_HOUR if "Spot" in words else Basis.INSTANCE_HOUR,
        amounts.micros(item, "retailPrice"),
        amounts.currency(item, "currencyCode"),
        witness,
        since=item.time("effectiveStartDate"),
        until=item.time("effectiveEndDate"),
    )


def power(item: reading.Fields, witness: Witness, region: str) -> Fact | None:
    """One hour of a day-ahead market (aWATTar's form), from and until when it holds."""
    unit = item.text("unit")
    if (found := _POWER_UNITS.get(unit.lower())) is None:
        known = ", ".join(_POWER_UNITS)
        raise BadInput(f"{item.place('unit')}: `{reading.shown(unit)}` is none of {known}")
    scale, currency = found
    return Price(
        Mention(MentionKind.OFFER, f"{region or 'grid'}/power", "day-ahead"),
        Basis.KILOWATT_HOUR,
        amounts.micros(item, "marketprice", scale),
        currency,
        witness,
        since=_moment(item, "start_timestamp"),
        until=_moment(item, "end_timestamp"),
    )


def _moment(item: reading.Fields, field: str) -> datetime:
    value = amounts.count(item, field)
    if value > _LAST_MILLISECOND:
        raise BadInput(f"{item.place(field)}: `{value}` is not a time in milliseconds")
    return datetime.fromtimestamp(value / 1000, UTC)
