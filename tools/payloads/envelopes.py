"""CloudEvents 1.0 attributes, as the JSON format and the HTTP binary mode carry them.

Required: `specversion` 1.0, `id`, `source`, `type`. Attributes of no standard name are extensions: accepted, counted.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

from estate.errors import BadInput
from tools.payloads import reading

_STANDARD = ("dataschema", "subject")


@dataclass(frozen=True, slots=True)
class Envelope:
    """One CloudEvent without its meaning."""

    id: str
    source: str
    type: str
    time: datetime | None
    data: object
    """The JSON value of the data, whichever way it was carried; None when there is none."""
    extensions: int


def is_envelope(value: object) -> bool:
    """Whether a JSON value claims to be a CloudEvent."""
    return isinstance(value, dict) and "specversion" in value


def structured(value: object, at: str = "") -> Envelope:
    """An event in the JSON format.

    Raises:
        BadInput: an attribute is missing or malformed, or the data is not JSON.
    """
    fields = reading.Fields(value, at)
    content_type = fields.text("datacontenttype", "")
    if fields.has("data") and fields.has("data_base64"):
        raise BadInput(f"{fields.place('data')}: there is `data_base64` too; send one of them")
    data = _decoded(fields) if fields.has("data_base64") else _literal(fields.raw("data"), content_type, fields)
    return _envelope(fields, data)


def binary(body: bytes, headers: dict[str, str]) -> Envelope:
    """An event whose attributes are `ce-` headers (lower-case names) and whose data is the body.

    Raises:
        BadInput: as `structured`.
    """
    attributes = {k.removeprefix("ce-"): unquote(v) for k, v in headers.items() if k.startswith("ce-")}
    return _envelope(reading.Fields(attributes, "headers"), reading.load(body) if body.strip() else None)


def _envelope(fields: reading.Fields, data: object) -> Envelope:
    version = fields.text("specversion")
    if version != "1.0":
        raise BadInput(f"{fields.place('specversion')}: `{reading.shown(version)}` is not known; send 1.0")
    fields.knows("data", "data_base64", "datacontenttype", *_STANDARD)
    return Envelope(
        id=reading.sender_id(fields.text("id")),
        source=reading.sender_id(fields.text("source")),
        type=reading.name(fields.text("type")),
        time=fields.time("time"),
        data=data,
        extensions=fields.unknown,
    )


def _literal(data: object, content_type: str, fields: reading.Fields) -> object:
    """Data in place. A text may itself be the JSON document, as some senders wrap it; other media types are refused."""
    if content_type and not _is_json(content_type):
        raise BadInput(f"{fields.place('datacontenttype')}: `{reading.shown(content_type)}` is not read; send JSON")
    if isinstance(data, str) and data.lstrip().startswith(("{", "[")):
        return reading.load(data)
    return data


def _decoded(fields: reading.Fields) -> object:
    try:
        body = base64.b64decode(fields.text("data_base64"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput(f"{fields.place('data_base64')}: not base64") from error
    return reading.load(body)


def _is_json(content_type: str) -> bool:
    media = content_type.partition(";")[0].strip().lower()
    return media == "application/json" or media.endswith("+json") or media == "text/json"
