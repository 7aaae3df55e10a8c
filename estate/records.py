"""Frozen models: what is written for Placet, and what Placet persists or publishes.

A `Record` carries `kind` and `v`. A reader upcasts every older version through `upcasts` and refuses a newer one
with `NewerRecord`, so that it can be left unacknowledged. Records are stored as canonical JSON, never as class
paths.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from functools import cached_property
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError
from pydantic_core import ErrorDetails

from estate import canonical
from estate.canonical import Json
from estate.errors import BadInput, NewerRecord
from estate.ids import Digest

type Upcast = Callable[[dict[str, Json]], dict[str, Json]]


_EDGES = (MINYEAR, MAXYEAR)


def _parse_time(value: object) -> object:
    time = datetime.fromisoformat(value) if isinstance(value, str) else value
    if isinstance(time, datetime) and time.tzinfo is None:
        raise ValueError("a time needs its offset; write it as `2026-11-21T08:00:00Z`")
    if isinstance(time, datetime) and time.year in _EDGES:
        _check_in_utc(time)
    return time


def _check_in_utc(time: datetime) -> None:
    try:
        time.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"`{time}` lies outside of the years 1 to 9999 in UTC; correct it") from error


def write_time(time: datetime) -> str:
    """RFC 3339 in UTC with microseconds, always the same width."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


Time = Annotated[datetime, BeforeValidator(_parse_time), PlainSerializer(write_time, return_type=str)]
"""An aware UTC time; its canonical form is RFC 3339 with microseconds."""


class Model(BaseModel):
    """A frozen model that refuses unknown fields: everything written *for* Placet."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)
    _derived: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def __pydantic_init_subclass__(cls, **rules: Any) -> None:
        super().__pydantic_init_subclass__(**rules)
        cls._derived = tuple({n for c in cls.__mro__ for n, v in vars(c).items() if isinstance(v, cached_property)})

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As pydantic's, but what was derived from the old fields and kept is derived anew."""
        made = super().model_copy(update=update, deep=deep)
        for name in self._derived:
            made.__dict__.pop(name, None)
        return made

    def json_form(self) -> dict[str, Json]:
        """Plain JSON types only."""
        form: dict[str, Json] = self.model_dump(mode="json")
        return form

    def canonical(self) -> bytes:
        """The RFC 8785 bytes of this model."""
        return canonical.dumps(self.json_form())

    @property
    def digest(self) -> Digest:
        """The SHA-256 of the canonical form: what this thing is called in signatures and logs."""
        return canonical.digest(self.canonical())


def later(default: Any = None, **rules: Any) -> Any:
    """A field that came after its record was first signed or stored: left out of every form while it says nothing.

    So what was written before the field was known keeps its canonical form and its digest. `rules` are pydantic's.
    """
    return Field(default=default, exclude_if=lambda value: value == default, **rules)


class Record(Model):
    """A model with a kind and a version, as it is persisted and published."""

    upcasts: ClassVar[Mapping[int, Upcast]] = {}
    """For each older version, how its form becomes the next one."""

    @classmethod
    def identity(cls) -> tuple[str, int]:
        """The kind and version that this class writes, read off its own literal fields."""
        return str(cls.model_fields["kind"].default), int(cls.model_fields["v"].default)

    @classmethod
    def read(cls, data: bytes | Mapping[str, Any]) -> Self:
        """Parse a stored form of this or an older version.

        Raises:
            NewerRecord: a newer Placet wrote it.
            BadInput: it is another kind, or does not fit.
        """
        form = data if isinstance(data, Mapping) else canonical.loads(data)
        kind, version = cls.identity()
        if not isinstance(form, Mapping) or form.get("kind") != kind:
            raise BadInput(f"expected a `{kind}` record")
        return cls._fit(cls._upcast(dict(form), kind, version))

    @classmethod
    def _upcast(cls, form: dict[str, Any], kind: str, version: int) -> dict[str, Any]:
        found = form.get("v")
        if not isinstance(found, int) or found < 1:
            raise BadInput(f"`{kind}` record without a version")
        if found > version:
            raise NewerRecord(
                f"`{kind}` version {found} was written by a newer placet (this one knows {version}); upgrade"
            )
        for step in range(found, version):
            form = cls.upcasts[step](form)
        return form

    @classmethod
    def _fit(cls, form: dict[str, Any]) -> Self:
        try:
            return cls.model_validate(form)
        except ValidationError as error:
            raise BadInput(explain(error)) from error


def doubled[T: str](names: Iterable[T]) -> list[T]:
    """Those that are there more than once, sorted. One pass: files name every node of an estate."""
    return sorted(name for name, count in Counter(names).items() if count > 1)


def explain(error: ValidationError) -> str:
    """A Pydantic error as one line: each field with its fault, at most five of them."""
    faults = [f"{'.'.join(str(p) for p in e['loc']) or 'document'}: {_begun_small(e['msg'])}" for e in _own(error)]
    more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
    return "; ".join(faults[:5]) + more


def _own(error: ValidationError) -> Iterator[ErrorDetails]:
    """Its faults, without that a list is too short once those of its members that do not fit are left out."""
    faults = error.errors()
    for fault in faults:
        within = (f["loc"] for f in faults if len(f["loc"]) > len(fault["loc"]))
        if fault["type"] != "too_short" or not any(w[: len(fault["loc"])] == fault["loc"] for w in within):
            yield fault


def _begun_small(text: str) -> str:
    """The sentence without its capital, and without pydantic's own word before ours; what it quotes stays."""
    own = text.removeprefix("Value error, ")
    return own[:1].lower() + own[1:]
