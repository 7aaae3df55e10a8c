"""The three HTTP bindings of CloudEvents 1.0 told apart: structured, binary and batch. Content is not judged here.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
LARGEST_BATCH = 256
REQUIRED = ("ce-id", "ce-source", "ce-type", "ce-specversion")


class Unreadable(Exception):
    """Not one of the three bindings: the status to answer with, and why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Structured:
    """The body is the event."""


@dataclass(frozen=True, slots=True)
class Binary:
    """The body is the data, the attributes are `ce-…` headers."""

    attributes: dict[str, str]


@dataclass(frozen=True, slots=True)
class Batch:
    """The body is a list of events."""


def unpack(media: str, headers: Mapping[str, str], body: bytes) -> Structured | Binary | Batch:
    """Which binding a request uses.

    Raises:
        Unreadable: another media type, missing attributes, or a body that does not fit its media type.
    """
    if media == STRUCTURED:
        _parsed(body, dict)
        return Structured()
    if media == BATCH:
        _check_batch(body)
        return Batch()
    if "ce-specversion" in headers:
        return Binary(_attributes(media, headers))
    if media == "application/json":
        _parsed(body, dict)
        return Structured()
    raise Unreadable(415, f"`{media}` is not a cloudevents binding; send `{STRUCTURED}`, `{BATCH}` or ce- headers")


def _attributes(media: str, headers: Mapping[str, str]) -> dict[str, str]:
    if missing := [name for name in REQUIRED if not headers.get(name)]:
        raise Unreadable(422, f"binary cloudevent without `{missing[0]}`; add the header")
    attributes = {n.lower(): unquote(v) for n, v in headers.items() if n.lower().startswith("ce-")}
    return {**attributes, "content-type": media or "application/json"}


def _check_batch(body: bytes) -> None:
    events: list[Any] = _parsed(body, list)
    if len(events) > LARGEST_BATCH:
        raise Unreadable(413, f"a batch of {len(events)} events is over {LARGEST_BATCH}; send smaller batches")


def _parsed(body: bytes, kind: type[dict[str, Any]] | type[list[Any]]) -> Any:
    try:
        form = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable(422, "the body is not JSON; correct the sender") from error
    if not isinstance(form, kind):
        raise Unreadable(422, f"the body is not a JSON {'object' if kind is dict else 'list'}; correct the sender")
    return form
