"""Two sources may speak of one thing when a strong alias says so; nobody's word is ever lost, doubled or guessed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from estate.frozen import FrozenEstate
from estate.hardware import Health, Node
from estate.ids import NodeId
from estate.items import Item
from estate.origins import Layer, Origin
from estate.references import Ref
from estate.units import Watts
from tests import builders
from tests import items as building
from tools.inventory.folding import Folded, Folding, fold
from tools.inventory.port import Observed

PDU = Ref("pdu", "eu-a-pdu-a")
SERIAL = [{"kind": "serial", "value": "P-1"}]


def empty() -> Folded:
    return Folded(FrozenEstate(builders.version(), builders.facts()))


def pdu(**over: Any) -> Item:
    return building.item("pdu", **over)


def seen(source: str, *items: Item, **over: Any) -> Observed:
    return Observed(source=source, items=items, at=builders.START, **over)


def folded(*batches: Observed) -> Folding:
    """The last folding of these batches."""
    folding = Folding(empty())
    for batch in batches:
        folding = fold(folding.state, batch)
    return folding


def pdu_of(folding: Folding, ref: Ref = PDU) -> Any:
    found = folding.state.estate.stock.get(ref)
    assert found is not None
    return found


def test_an_item_says_by_layer_where_it_is_from_and_when() -> None:
    found = pdu_of(folded(seen("files", pdu(state="ok"))))
    assert found.origins == tuple(
        Origin(layer=layer, source="files", observed_at=builders.START)
        for layer in (Layer.HEALTH, Layer.IDENTITY, Layer.PLACE, Layer.POWER)
    )


def test_a_source_that_repeats_itself_later_changes_nothing() -> None:
    """Else every look at a file would be a delta to every process."""
    again = Observed(source="files", items=(pdu(),), at=builders.START + timedelta(hours=1), whole=True)
    assert not folded(seen("files", pdu()), again).changed


def test_a_strong_alias_lets_a_second_source_fill_what_the_first_left_open() -> None:
    declared, read = pdu(aliases=SERIAL), pdu(aliases=SERIAL, budget_watts=None, drawn_watts=17_000, state="ok")
    folding = folded(seen("files", declared), seen("redfish", read))
    found = pdu_of(folding)
    assert (found.budget_watts, found.drawn_watts, found.state) == (22_000, 17_000, "ok")
    assert folding.conflicts == ()
    assert {(o.layer, o.source, o.fields) for o in found.origins} >= {
        (Layer.POWER, "files", ()),
        (Layer.POWER, "redfish", ("drawn_watts",)),
        (Layer.HEALTH, "redfish", ("state",)),
    }


def test_where_two_sources_differ_the_first_ones_word_stands_and_the_other_is_told() -> None:
    folding = folded(
        seen("files", pdu(aliases=SERIAL)), seen("redfish", pdu(aliases=SERIAL, budget_watts=9_000, drawn_watts=1))
    )
    assert (pdu_of(folding).budget_watts, pdu_of(folding).drawn_watts) == (22_000, 1)
    (conflict,) = folding.conflicts
    assert (str(conflict), conflict.kept, conflict.refused) == ("pdu/eu-a-pdu-a.budget_watts", "files", "redfish")


def test_without_a_strong_alias_in_common_a_second_claim_is_kept_out_and_told() -> None:
    weak = [{"kind": "name", "value": "pdu a"}]
    folding = folded(seen("files", pdu(aliases=weak)), seen("redfish", pdu(aliases=weak, drawn_watts=17_000)))
    assert pdu_of(folding).drawn_watts is None
    assert [(str(c), c.kept, c.refused) for c in folding.conflicts] == [("pdu/eu-a-pdu-a", "files", "redfish")]


def test_who_was_kept_out_takes_over_when_the_owner_withdraws() -> None:
    folding = folded(seen("files", pdu()), seen("redfish", pdu(drawn_watts=5)), seen("files", whole=True))
    assert pdu_of(folding).drawn_watts == 5
    assert folding.removed_items == ()


def test_nodes_of_two_clusters_are_never_one_whatever_they_are_called() -> None:
    """A cluster may copy what a cloud or a firmware calls another's machine; it adds nothing to that one."""
    ours = builders.node("eu-a1", provider_id="aws:///a/i-0", system_uuid="ec2d", accelerators=0)
    theirs = builders.node("eu-a1", provider_id="aws:///a/i-0", system_uuid="ec2d", uid="other", cluster="us-1")
    folding = folded(Observed("kubernetes/eu-1", nodes=(ours,)), Observed("kubernetes/us-1", nodes=(theirs,)))
    assert [str(c) for c in folding.conflicts] == ["node/eu-a1"]
    assert folding.state.estate.node(NodeId("eu-a1")) == ours


def test_something_called_otherwise_is_the_same_thing_when_a_strong_alias_says_so() -> None:
    other = pdu(id="chassis-7", aliases=SERIAL, budget_watts=None, drawn_watts=3)
    batches = seen("files", pdu(aliases=SERIAL)), seen("redfish", other)
    assert pdu_of(folded(*batches)).drawn_watts == 3
    assert folded(*batches).state.estate.stock.get(other.ref) is None
    gone = folded(*batches, Observed(source="redfish", removed_items=(other.ref,)))
    assert pdu_of(gone).drawn_watts is None


def test_two_things_that_turn_out_to_share_an_alias_stay_two_and_are_told() -> None:
    other = pdu(id="chassis-7")
    folding = folded(
        seen("files", pdu(aliases=SERIAL)), seen("redfish", other), seen("redfish", pdu(id="chassis-7", aliases=SERIAL))
    )
    assert folding.state.estate.stock.get(other.ref) is not None
    assert [str(c) for c in folding.conflicts] == ["pdu/chassis-7.aliases"]


def test_a_node_is_merged_by_its_uid_and_by_nothing_weaker() -> None:
    ours = builders.node("eu-a1")
    same = ours.model_copy(update={"serial": "SN-1", "health": Health.DEGRADED, "power_cap_watts": Watts(4_000)})
    forged = same.model_copy(update={"uid": "another"})
    merged = folded(Observed(source="k8s", nodes=(ours,)), Observed(source="bmc", nodes=(same,)))
    kept = folded(Observed(source="k8s", nodes=(ours,)), Observed(source="bmc", nodes=(forged,)))
    assert merged.state.estate.node(ours.id) == same
    assert kept.state.estate.node(ours.id) == ours
    assert [str(c) for c in kept.conflicts] == ["node/eu-a1"]


STATES = [
    pdu(aliases=aliases, drawn_watts=drawn, state=state)
    for aliases in ([], SERIAL)
    for drawn in (None, 1, 2)
    for state in ("unknown", "ok")
]
batches = st.builds(
    Observed,
    source=st.sampled_from(["a", "b", "c"]),
    items=st.sampled_from(STATES).map(lambda i: (i,)) | st.just(()),
    removed_items=st.sampled_from([(), (PDU,)]),
    whole=st.booleans(),
)


@given(st.lists(batches, max_size=10))
def test_whatever_sources_say_in_whatever_order_the_item_is_what_their_last_words_make(history: list[Observed]) -> None:
    """Against the slowest way: keep each source's last word, and put them together field by field."""
    state, words = empty(), dict[str, Item]()
    for batch in history:
        state = fold(state, batch).state
        if batch.items:
            words[batch.source] = batch.items[0]
        elif batch.whole or batch.removed_items:
            words.pop(batch.source, None)
    found = state.estate.stock.get(PDU)
    assert (found is None) == (not words)
    if found is not None:
        assert _said(found) == _put_together(list(words.values()))


def _said(item: Item) -> dict[str, Any]:
    return {f: getattr(item, f) for f in ("drawn_watts", "state", "aliases")}


def _put_together(words: list[Item]) -> dict[str, Any]:
    owner, *others = words
    whole = _said(owner)
    for other in others:
        if owner.aliases and owner.aliases == other.aliases:
            for name, nothing in (("drawn_watts", None), ("state", "unknown")):
                whole[name] = getattr(other, name) if whole[name] == nothing else whole[name]
    return whole


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["eu-a1", "eu-a2"]), st.booleans())))
def test_deltas_of_a_folding_are_all_that_changed(history: list[tuple[str, str, bool]]) -> None:
    """A follower that knows only them has the same estate."""
    state = empty()
    known: dict[NodeId, Node] = {}
    for source, name, there in history:
        node = builders.node(name, boot_id=source)
        batch = Observed(source=source, nodes=(node,)) if there else Observed(source=source, removed_nodes=(node.id,))
        folding = fold(state, batch)
        state = folding.state
        known |= {n.id: n for n in folding.nodes}
        known = {k: n for k, n in known.items() if k not in folding.removed_nodes}
        assert tuple(known[k] for k in sorted(known)) == tuple(state.estate.nodes())
