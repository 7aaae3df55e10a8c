"""Answers and files of clouds, each known by the field that only it has. A row below is a new one.

Where the answer names no region, the header `placet-region` does; a bad row costs no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from estate.errors import BadInput
from tools.payloads import contexts, reading
from tools.payloads.clouds import notices, prices, quotas
from tools.payloads.contexts import Context
from tools.payloads.facts.statements import Fact, Notice, Witness
from tools.payloads.parsed import Fault, Headers, Parsed

REGION = "placet-region"
MOST_ROWS = 100_000

type Row = Callable[[reading.Fields, Witness, str], Fact | None]
type Notify = Callable[[reading.Fields, Context], list[Notice]]

LISTS: Mapping[str, Row] = MappingProxyType(
    {
        "SpotPriceHistory": prices.aws_spot,
        "Quotas": quotas.aws,
        "quotas": quotas.gcp,
        "Items": prices.azure_retail,
        "data": prices.power,
    }
)
"""The list of an answer, and who reads its rows."""
NOTICES: Mapping[str, Notify] = MappingProxyType(
    {
        "detail-type": notices.aws_event,
        "action": notices.aws_metadata,
        "Events": notices.azure_events,
    }
)
_NAMED_REGION = "name"


def parse(body: bytes, headers: Headers) -> Parsed:
    """Quotas and prices, or notices with the events that they are.

    Raises:
        BadInput: it has no field that tells what it is, or no row can be read.
    """
    context = contexts.of(headers, "cloud")
    region = reading.name({k.lower(): v for k, v in headers.items()}.get(REGION, ""))
    value = reading.load(body)
    if isinstance(value, list):
        return _rows(value, "usage", quotas.azure, context, region)
    raw = reading.Fields(value, "")
    for field, notify in NOTICES.items():
        if raw.has(field):
            told = notify(raw, context)
            return Parsed(tuple(notices.observed(n, context) for n in told), facts=tuple(told))
    for field, row in LISTS.items():
        if raw.has(field):
            own = reading.name(raw.text(_NAMED_REGION, "")) if field == "quotas" else ""
            return _rows(raw.items(field), field, row, context, own or region)
    known = ", ".join((*LISTS, *NOTICES))
    raise BadInput(f"no field tells what it is; answers that are read have one of {known}")


def _rows(items: list[object], at: str, row: Row, context: Context, region: str) -> Parsed:
    if len(items) > MOST_ROWS:
        raise BadInput(f"{at}: {len(items)} rows in one body; send at most {MOST_ROWS}")
    facts: list[Fact] = []
    faults: list[Fault] = []
    ignored = 0
    for number, item in enumerate(items):
        try:
            found = row(reading.Fields(item, f"{at}.{number}"), context.witness, region)
        except BadInput as error:
            faults.append(Fault(f"{at}.{number}", str(error)))
            continue
        if found is None:
            ignored += 1
        else:
            facts.append(found)
    if faults and not facts:
        raise BadInput("; ".join(str(f) for f in faults[:3]))
    return Parsed(faults=tuple(faults[:100]), ignored=ignored, facts=tuple(facts))
