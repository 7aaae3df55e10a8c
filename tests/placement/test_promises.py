"""What contracts promise beyond devices: kept in every answer, and eased by what is said to help."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.placement import naive, pledged
from tools.placement.engine import MaskEngine
from tools.placement.offering.relaxations import Case, relaxations
from tools.placement.port import Placement
from tools.placement.wishes import Wish


@given(st.data())
def test_promises_are_kept_as_the_plain_rules_keep_them(data: st.DataObject) -> None:
    estate = data.draw(pledged.promising())
    ask = data.draw(pledged.asks(estate))
    workload = estate.workload(ask.workload)
    assert workload is not None
    engine = MaskEngine()
    found, expected = engine.place(estate, ask), naive.place(estate, ask)
    if isinstance(found, Placement):
        assert [*naive.faults(estate, ask, found.bindings)] == []
        return
    assert expected is None
    for eased in relaxations(Case(engine, Wish(estate, engine.columns_of(estate), ask, workload))):
        assert [*naive.faults(eased.snapshot, eased.ask, eased.placement.bindings)] == [], eased.relaxation
