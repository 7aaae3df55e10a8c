"""Every kind of item: written and read back, found by what it names, and no place where a stranger must remember it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from estate import items
from estate.aliases import Alias, AliasKind
from estate.items import KINDS, Item
from estate.origins import Layer
from estate.references import Ref
from estate.stock import Stock
from tests import items as building


def test_there_is_a_sample_of_each_kind() -> None:
    assert set(building.SAMPLES) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_an_item_is_read_back_from_its_canonical_form(kind: str) -> None:
    sample = building.item(kind)
    again = items.adapter.validate_json(sample.canonical())
    assert again == sample
    assert again.digest == sample.digest


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_names_only_fields_that_it_has(kind: str) -> None:
    """A pointer or a layer of a misspelt field would be silently without effect."""
    model = KINDS[kind]
    assert {p.field.split(".")[0] for p in model.pointers} <= set(model.model_fields)
    assert set(model.layers) <= set(model.model_fields)
    assert all(isinstance(model.layer_of(f), Layer) for f in model.model_fields)


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_field_is_refused(kind: str) -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        building.item(kind, colour="red")


@pytest.mark.parametrize(
    ("kind", "over", "fault"),
    [
        ("link", {"ends": [{"of": "switch/a"}, {"of": "switch/a"}]}, "name the other end"),
        ("link", {"ends": [{"of": "switch"}, {"of": "switch/a"}]}, "write it as `rack/eu-a`"),
        ("machine", {"stage": "ordered", "rack": "eu-a"}, "is ordered and cannot stand in"),
        ("machine", {"stage": "rma", "node": "eu-a1"}, "is rma and cannot be a node"),
        ("pdu", {"aliases": [{"kind": "serial", "value": "S"}] * 2}, "`serial S` is there twice"),
        ("contract", {"objectives": [{"measure": "latency-milliseconds", "bound": 1}] * 2}, "is there twice"),
        ("pdu", {"capacity_watts": -1}, "greater than or equal to 0"),
        ("template", {"revisions": []}, "at least 1 item"),
    ],
)
def test_what_cannot_be_is_refused_with_the_remedy(kind: str, over: dict[str, object], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        building.item(kind, **over)


VARIANTS: tuple[Item, ...] = (
    *building.all_kinds(),
    building.item("pdu", feed="eu-feed-b"),
    building.item("pdu", aliases=[{"kind": "serial", "value": "P-1"}]),
    building.item("pdu", id="eu-a-pdu-b", aliases=[{"kind": "serial", "value": "P-2"}]),
    building.item("rack", pdus=[], cdus=[]),
    building.item("link", ends=[{"of": "switch/leaf-eu-a"}, {"of": "switch/spine-2"}]),
    building.item("link", id="eu-a-up-2"),
)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(VARIANTS))))
def test_a_stock_is_its_items_however_it_came_to_them(history: list[tuple[bool, Item]]) -> None:
    """Indexes are kept by hand; here they are held against a count of the items themselves."""
    held: dict[Ref, Item] = {}
    stock = Stock()
    for put, item in history:
        stock = stock.with_(item) if put else stock.without(item.ref)
        held[item.ref] = item
        if not put:
            del held[item.ref]
    assert {i.ref: i for i in stock} == held
    assert stock == Stock.of(held.values())
    assert len(stock) == len(held)
    every = {ref for item in VARIANTS for _, ref in item.named()} | set(held)
    for ref in every:
        assert stock.naming(ref) == tuple(sorted({i.ref for i in held.values() for _, r in i.named() if r == ref}))
        assert {b.ref for b in stock.below(ref)} == {i.ref for i in held.values() if ref in [b.ref for b in i.bonds()]}
    for serial in ("P-1", "P-2", "SN-1"):
        alias = Alias(kind=AliasKind.SERIAL, value=serial)
        assert stock.known_as(alias) in {None, *(i.ref for i in held.values() if alias in i.aliases)}
        assert (stock.known_as(alias) is None) == all(alias not in i.aliases for i in held.values())


def test_what_is_named_and_not_there_is_told_with_its_field() -> None:
    stock = Stock.of([building.item("pdu"), building.item("rack")])
    outside = {Ref("row", "eu-row-1"), Ref("pdu", "eu-a-pdu-b")}
    found = [(str(item.ref), pointer.field, str(ref)) for item, pointer, ref in stock.dangling(outside.__contains__)]
    assert found == [("pdu/eu-a-pdu-a", "feed", "feed/eu-feed-a"), ("rack/eu-a", "cdus", "cdu/eu-cdu-1")]
