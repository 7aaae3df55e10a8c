"""Of every field people see whose word it is and when it was given, also where two sources describe one thing."""

from __future__ import annotations

from datetime import timedelta

from estate.ids import NodeId
from estate.origins import Layer, Origin
from estate.references import Ref
from tests import builders
from tests import items as building
from tools.inventory.columns.engine import Inventory
from tools.inventory.columns.origins import Told
from tools.inventory.folding import Folded, fold
from tools.inventory.port import Observed
from tools.views import things, words

NOW = builders.START
LATER = NOW + timedelta(hours=1)


def test_each_field_of_a_thing_that_two_describe_is_told_with_its_own_source_and_time() -> None:
    alias = [{"kind": "serial", "value": "P-1"}]
    declared = building.item("pdu", aliases=alias)
    read = building.item("pdu", aliases=alias, budget_watts=None, drawn_watts=17_000, state="ok")
    state = Folded(builders.estate())
    for seen in (
        Observed("files", items=(declared,)),
        Observed("redfish/pdu-1", items=(read,), at=NOW),
        Observed("redfish/pdu-1", items=(read,), at=LATER),
    ):
        state = fold(state, seen).state
    found = things.find(state.estate, declared.ref)
    assert found is not None
    told = {(w.source, w.observed_at): set(w.fields) for w in words.of(state.estate, found)}
    assert told["redfish/pdu-1", NOW] == {"drawn_watts", "state"}, "who says the same again says nothing new"
    assert "budget_watts" in told["files", None]


def test_what_a_cluster_shows_is_as_old_as_its_newest_word_and_a_lease_or_a_bmc_keeps_its_own_time() -> None:
    inventory = Inventory(builders.facts())
    origin = Origin(layer=Layer.IDENTITY, source="redfish/bmc-1", observed_at=NOW, fields=("serial",))
    node = builders.node("eu-a1", serial="SN-1", origins=(origin,))
    inventory.put_node(node, Told("deltas", int(LATER.timestamp() * 1000)))
    inventory.put_workload(builders.workload(), Told("deltas", int(NOW.timestamp() * 1000)))
    estate = inventory.snapshot(builders.version())
    for ref in (Ref("node", "eu-a1"), Ref("workload", "a-serve"), Ref("accelerator", "eu-a1/0"), Ref("rack", "eu-a")):
        thing = things.find(estate, ref)
        assert thing is not None
        told = words.of(estate, thing)
        named = [name for word in told for name in word.fields]
        assert len(named) == len(set(named))
        assert all(word.source for word in told)
        match ref.kind:
            case "node":
                by = {(w.source, w.observed_at): w.fields for w in told}
                assert by["redfish/bmc-1", NOW] == ("serial",)
                assert {"uid", "accelerators", "health"} <= set(by["cluster eu-1", LATER])
            case "accelerator":
                assert {w.observed_at for w in told} == {LATER}
            case "workload":
                assert {w.observed_at for w in told} == {NOW}
            case _:
                assert {w.source for w in told} == {f"facts {estate.facts.version}, signed by {estate.facts.author}"}
    assert estate.told_at(Ref("node", NodeId("nobody"))) is None
