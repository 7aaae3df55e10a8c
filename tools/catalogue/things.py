"""Tools about any thing of any kind: one tool each to get, list, describe and walk, over the whole union of kinds.

Answers are bounded for a model's context: long lists are cut and say how long they are and how to read on, and lists
come in pages.
"""

from __future__ import annotations

from enum import StrEnum
from itertools import chain
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from estate import neighbours
from estate.canonical import Json
from estate.errors import BadInput
from estate.ids import SiteId, TenantId
from estate.readings import Gauge, Reading
from estate.records import Model, Time
from estate.references import Chain, Ref, WrittenRef
from estate.snapshots import Snapshot
from tools.catalogue.tools import Answer, Desk, Tool
from tools.views import selecting, things, words
from tools.views.selecting import Condition
from tools.views.words import Word


def _known(kind: str) -> str:
    if kind not in things.KINDS:
        raise ValueError(f"no kind `{kind}`; there are {', '.join(things.KINDS)}")
    return kind


KindName = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": [*things.KINDS]})]


class ThingQuestion(Model):
    """Which thing: its kind and its id within the kind (an accelerator's is `node/index`)."""

    kind: KindName
    id: str = Field(min_length=1, max_length=512)


class GetQuestion(ThingQuestion):
    """Which thing, or which list of it from where on."""

    field: str | None = Field(default=None, max_length=256, examples=["nodes", "accelerators.0.faults"])
    start: int = Field(default=0, ge=0)


class GetAnswer(Answer):
    """The thing's fields, or one of them. `cut` has the full length of each list that was cut, by its path."""

    thing: dict[str, Any]
    cut: dict[str, int]
    more: str | None = None
    """How to read on."""


class ListQuestion(Model):
    """Which things of a kind. All that is given must hold."""

    kind: KindName
    where: tuple[Condition, ...] = Field(default=(), max_length=16)
    site: SiteId | None = None
    tenant: TenantId | None = None
    start: int = Field(default=0, ge=0)
    limit: int = Field(default=20, ge=1, le=100)


class ListAnswer(Answer):
    """A page of things, each with its plain fields only; `get` has the rest. `next` is the start of the next page."""

    things: tuple[dict[str, Any], ...]
    next: int | None


class Step(Model):
    """A thing and the chain by which it hangs together with the one asked about."""

    chain: Chain
    of: WrittenRef


class Measured(Model):
    """What was measured of a thing last; null where whoever measures it had no value."""

    gauge: Gauge
    value: int | None
    at: Time
    source: str

    @classmethod
    def of(cls, reading: Reading) -> Measured:
        """A reading as it is shown."""
        return cls(gauge=reading.gauge, value=reading.value, at=reading.at, source=reading.source)


class DescribeAnswer(Answer):
    """A thing with where it is, whose it is, what it hangs on, how much hangs on it, and whose word all that is."""

    thing: dict[str, Any]
    cut: dict[str, int]
    site: SiteId | None
    tenants: tuple[TenantId, ...]
    above: tuple[Step, ...]
    below: dict[str, int]
    """How many of each kind hang on it directly, by chain and kind: `place node`."""
    told_by: tuple[Word, ...]
    measured: tuple[Measured, ...] = ()
    """Old ones too: each says when."""


class Direction(StrEnum):
    """Which way: what it hangs on, what hangs on it, or what goes down with it alone."""

    UP = "up"
    DOWN = "down"
    STRUCK = "struck"


class NeighboursQuestion(ThingQuestion):
    """Which way from which thing, along which chains, directly or all the way."""

    direction: Direction
    chains: tuple[Chain, ...] = Field(default=(), max_length=len(Chain))
    """Empty: all."""
    direct: bool = False
    start: int = Field(default=0, ge=0)
    limit: int = Field(default=50, ge=1, le=200)


class NeighboursAnswer(Answer):
    """A page of things, nearest first. `next` is the start of the next page."""

    of: WrittenRef
    things: tuple[WrittenRef, ...]
    next: int | None


def get(desk: Desk, question: GetQuestion) -> GetAnswer:
    """All fields of one thing, or a part of one of its lists."""
    found = thing(desk.snapshot, question)
    form: dict[str, Json] = found.form()
    if question.field is not None:
        value = selecting.part(form, question.field)
        form = {question.field: value[question.start :] if isinstance(value, list) else value}
    shown, cut = selecting.shortened(form)
    more = "ask again with `field` and `start` for the rest of a list that is cut" if cut else None
    return GetAnswer(snapshot=desk.snapshot.version, thing=shown, cut=cut, more=more)


def listed(desk: Desk, question: ListQuestion) -> ListAnswer:
    """A page of the things that fit."""
    selecting.check(question.kind, question.where, ("site", "tenant", "work"))
    found = (t for t in things.every(desk.snapshot, question.kind) if _fits(desk.snapshot, t, question))
    shown, following = selecting.page(found, question.start, question.limit)
    rows = tuple(_plain(t) for t in shown)
    return ListAnswer(snapshot=desk.snapshot.version, things=rows, next=following)


def describe(desk: Desk, question: ThingQuestion) -> DescribeAnswer:
    """One thing with its surroundings."""
    found, snapshot = thing(desk.snapshot, question), desk.snapshot
    shown, cut = selecting.shortened(found.form())
    readings = snapshot.readings(found.ref)
    counts: dict[str, int] = {}
    for bond in neighbours.below(snapshot, found.ref):
        name = f"{bond.chain.value} {bond.ref.kind}"
        counts[name] = counts.get(name, 0) + 1
    above = neighbours.above(snapshot, found.ref)[: selecting.MOST_ITEMS]
    return DescribeAnswer(
        snapshot=snapshot.version,
        thing=shown,
        cut=cut,
        site=things.site_of(snapshot, found.ref),
        tenants=tuple(sorted(things.tenants_of(snapshot, found.ref))),
        above=tuple(Step(chain=b.chain, of=b.ref) for b in above),
        below=counts,
        told_by=words.of(snapshot, found),
        measured=tuple(Measured.of(r) for r in sorted(readings, key=lambda r: r.gauge.value)),
    )


def walk(desk: Desk, question: NeighboursQuestion) -> NeighboursAnswer:
    """Failure domains above, or members below."""
    snapshot, ref = desk.snapshot, thing(desk.snapshot, question).ref
    match question.direction:
        case Direction.STRUCK:
            found = iter(sorted(neighbours.struck(snapshot, ref) - {ref}))
        case Direction.UP | Direction.DOWN if question.direct:
            step = neighbours.above if question.direction is Direction.UP else neighbours.below
            bonds = step(snapshot, ref)
            found = iter(dict.fromkeys(b.ref for b in bonds if not question.chains or b.chain in question.chains))
        case Direction.UP:
            found = neighbours.domains(snapshot, ref, *question.chains)
        case Direction.DOWN:
            found = neighbours.members(snapshot, ref, *question.chains)
    shown, following = selecting.page(found, question.start, question.limit)
    return NeighboursAnswer(snapshot=snapshot.version, of=ref, things=tuple(shown), next=following)


def thing(snapshot: Snapshot, question: ThingQuestion) -> things.Thing:
    """The thing that is meant. Raises BadInput, naming some that there are."""
    found = things.find(snapshot, Ref(question.kind, question.id))
    if found is not None:
        return found
    some, _ = selecting.page((t.ref.id for t in things.every(snapshot, question.kind)), 0, 5)
    known = f"there are {', '.join(f'`{s}`' for s in some)}, …" if some else f"there is no {question.kind} at all"
    raise BadInput(f"no {question.kind} `{question.id}`; {known}")


def _fits(snapshot: Snapshot, found: things.Thing, question: ListQuestion) -> bool:
    if question.site is not None and things.site_of(snapshot, found.ref) != question.site:
        return False
    if question.tenant is not None and question.tenant not in things.tenants_of(snapshot, found.ref):
        return False
    return not question.where or selecting.fits(found.form(), question.where)


def _plain(found: things.Thing) -> dict[str, Any]:
    """Its fields that are neither lists nor records, and how many there are of those that are."""
    form = found.form()
    plain = {k: v for k, v in form.items() if not isinstance(v, dict | list) and v not in (None, "")}
    lists = {k: len(v) for k, v in form.items() if isinstance(v, list) and v}
    return dict(chain(plain.items(), lists.items()))


GET = Tool(
    "get",
    "All fields of one thing of any kind (node, rack, pdu, switch, link, tenant, dataset, price, …) by its id. Long"
    " lists are cut; ask again with `field` and `start` to read on.",
    GetQuestion,
    GetAnswer,
    get,
)
LIST = Tool(
    "list",
    "Things of one kind, in pages: filtered by any of their fields (`where`), by site and by tenant. Numbers stand for"
    " how long a list is.",
    ListQuestion,
    ListAnswer,
    listed,
)
DESCRIBE = Tool(
    "describe",
    "One thing of any kind with its fields, site, tenants, what it hangs on, how much hangs on it, whose word that"
    " is and how old, and what was measured of it last.",
    ThingQuestion,
    DescribeAnswer,
    describe,
)
NEIGHBOURS = Tool(
    "neighbours",
    "Failure domains: `up` what a thing hangs on, `down` what hangs on it, `struck` what goes down if it alone fails"
    " (redundant power, cooling and network hold). Along place, power, cooling, network or use.",
    NeighboursQuestion,
    NeighboursAnswer,
    walk,
)
