"""What a follower still holds of the past of one thing, told version by version."""

from __future__ import annotations

from datetime import timedelta

from estate.deltas import Delta, apply
from estate.frozen import FrozenEstate
from estate.ids import NodeId
from estate.references import Ref
from tests import builders
from tests.items import item
from tools.inventory.columns.histories import History, Reach


def test_each_word_about_a_thing_is_told_once_and_in_order() -> None:
    """Over the border of a chapter too: what began one is a change like any other."""
    estate = builders.estate(at=builders.version(1))
    node = estate.node(NodeId("eu-a1"))
    assert node is not None
    whole = Delta(version=builders.version(1), at=builders.START, whole=True)
    history = History(Reach(snapshots=8, deltas_between=1))
    history.note(estate, whole)
    pdu = item("pdu")
    steps: list[dict[str, object]] = [
        {"nodes": (node.model_copy(update={"cordoned": True}),)},
        {"items": (pdu,)},
        {"removed_nodes": (node.id,)},
        {"removed_items": (pdu.ref,)},
    ]
    for number, step in enumerate(steps, start=2):
        at = builders.START + timedelta(seconds=number)
        delta = Delta.model_validate({"version": builders.version(number), "at": at, **step})
        estate = apply(estate, delta, estate.facts)
        history.note(estate, delta)
    of_node = [(t.version.sequence, getattr(t.thing, "cordoned", None)) for t in history.told(Ref("node", "eu-a1"))]
    assert of_node == [(1, False), (2, True), (4, None)]
    of_pdu = [(t.version.sequence, t.thing == pdu) for t in history.told(pdu.ref)]
    assert of_pdu == [(1, False), (3, True), (5, False)]
    past = history.as_of(builders.version(3))
    assert isinstance(past, FrozenEstate)
    assert past.stock.get(pdu.ref) == pdu
