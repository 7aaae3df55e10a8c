"""What is not there, or not known, has no rails to give."""

from __future__ import annotations

import numpy as np
import pytest

from estate.hardware import Node
from estate.workloads import Locality
from tests import builders
from tools.placement.insides import Inside


def node(name: str, *switches: str) -> Node:
    """One accelerator behind each of these switches."""
    has = [builders.accelerator(name, n, numa_node=0, pcie_switch=switch) for n, switch in enumerate(switches)]
    return builders.node(name).model_copy(update={"accelerators": tuple(has)})


@pytest.fixture
def inside() -> Inside:
    """Of three nodes, of which the first has two parts and the second one; nobody looked at the third."""
    made = Inside(Locality.PCIE, 3, 2)
    made.fill(1, node("eu-a2", "switch-0"), (), ())
    made.fill(0, node("eu-a1", "switch-0", "switch-1"), (), ())
    return made


def test_a_part_that_is_not_there_has_no_rails(inside: Inside) -> None:
    assert not inside.parts().rails(0).any(), "no node has a port"


def test_a_node_that_changed_has_no_rails_until_somebody_looks(inside: Inside) -> None:
    assert not inside.without([0]).parts().rails(0).any()


def test_what_others_found_out_widens_nothing_into_rails(inside: Inside) -> None:
    small = Inside(Locality.PCIE, 4, 2)
    small.learn(np.array([3, 1, 2]), inside)
    assert not small.parts().rails(0).any()
    assert small.known.tolist() == [False, True, False, True]
