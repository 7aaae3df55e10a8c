"""How things of the estate name each other, and along which chain one fails with another.

A `Ref` names anything, an item or not: `pdu/eu-a-1`, `node/eu-a1`, `accelerator/eu-a1/3`. A `Bond` is one step up or
down a chain. Used by `estate.itemkinds`, `estate.neighbours` and whoever asks for neighbours. (What a change is about
is a `Thing`: a closed set, because signatures hold it.)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, NamedTuple

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema


class Chain(StrEnum):
    """The ways in which things hang on each other."""

    PLACE = "place"
    """accelerator → NVLink domain → node → rack → row → site → region."""
    POWER = "power"
    """Machine or rack → PDU → feed → UPS → transformer → substation."""
    COOLING = "cooling"
    """Rack → CDU → loop."""
    NETWORK = "network"
    """Rack or port → leaf switch → fabric."""
    USE = "use"
    """What runs, or is promised, on another thing."""


class Ref(NamedTuple):
    """The name of one thing: a kind, and an id within it."""

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.id}"


class Bond(NamedTuple):
    """A thing at one step's distance, and the chain of that step."""

    chain: Chain
    ref: Ref


@dataclass(frozen=True, slots=True)
class Pointer:
    """A field of an item that names other things: its path (`ends.of`), what it names, and whether they are above."""

    field: str
    kind: str = ""
    """Empty: the value is a written reference, which says its kind itself."""
    chain: Chain | None = None
    """None: it is named, and no failure travels along."""


def read_ref(text: object) -> Ref:
    """`kind/id` as a reference. Raises ValueError."""
    if isinstance(text, Ref):
        return text
    kind, _, name = text.partition("/") if isinstance(text, str) else ("", "", "")
    if not kind or not name or len(kind) > 63 or len(name) > 512:
        raise ValueError(f"`{str(text)[:80]}` is not a reference; write it as `rack/eu-a`")
    return Ref(kind, name)


WrittenRef = Annotated[
    Ref,
    PlainValidator(read_ref),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^[a-z][a-z-]*/.+$", "examples": ["rack/eu-a", "switch/leaf-1"]}),
]
"""A reference as people and records write it: `kind/id`."""
