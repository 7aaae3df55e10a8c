"""Who fell silent: told of nodes alone, never of a control plane that is down or of a watch of ours that broke."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate.errors import BadInput
from estate.hardware import Health
from estate.ids import ClusterId
from tests import builders
from tests.kubernetes import companions, raws
from tools.inventory.kubernetes.heartbeats import Heartbeats
from tools.inventory.kubernetes.modelling import ClusterModel
from tools.kubernetes import resources

NODES = ("eu-a1", "eu-a2", "stray")


class Hearing:
    """Heartbeats by a clock of our own; each beat is one that was not heard before."""

    def __init__(self) -> None:
        self.now = 100.0
        self.beats = Heartbeats()
        self._number = 0

    def beat(self, *nodes: str) -> None:
        for node in nodes:
            self._number += 1
            renewed = f"2026-11-26T10:{self._number // 60:02}:{self._number % 60:02}Z"
            self.beats.put(companions.lease(node, renewTime=renewed), self.now)

    def passed(self, seconds: float, *beating: str) -> None:
        """Time passes; these nodes renew their leases every ten seconds."""
        for _ in range(int(seconds // 10)):
            self.now += 10
            self.beat(*beating)
        self.now += seconds % 10


def test_a_node_is_silent_once_its_lease_ran_out_while_others_renewed_theirs() -> None:
    hearing = Hearing()
    hearing.beat(*NODES)
    hearing.passed(40, "eu-a1", "stray")
    assert not hearing.beats.silent()
    hearing.passed(10, "eu-a1", "stray")
    assert set(hearing.beats.silent()) == {"eu-a2"}
    hearing.beat("eu-a2")
    assert not hearing.beats.silent()


def test_a_control_plane_that_is_down_makes_nobody_silent() -> None:
    """No lease can be renewed then, and after it comes back the first that is says nothing of the others."""
    hearing = Hearing()
    hearing.beat(*NODES)
    hearing.passed(3_600)
    assert not hearing.beats.silent()
    hearing.beat("eu-a1")
    assert not hearing.beats.silent()
    hearing.passed(50, "eu-a1", "eu-a2")
    assert set(hearing.beats.silent()) == {"stray"}


def test_a_lease_that_is_listed_again_is_no_heartbeat() -> None:
    hearing = Hearing()
    hearing.beat(*NODES)
    old = companions.lease("eu-a2", renewTime="2026-11-26T10:00:02Z")
    for _ in range(5):
        hearing.passed(10, "eu-a1")
        hearing.beats.put(old, hearing.now)
    assert set(hearing.beats.silent()) == {"eu-a2", "stray"}
    hearing.beats.drop(old["metadata"]["uid"])
    assert set(hearing.beats.silent()) == {"stray"}


@given(st.lists(st.tuples(st.floats(0, 60), st.sets(st.sampled_from(NODES))), max_size=30))
def test_whoever_beat_last_is_never_silent(steps: list[tuple[float, set[str]]]) -> None:
    hearing, last = Hearing(), set[str]()
    for seconds, beating in steps:
        hearing.now += seconds
        hearing.beat(*sorted(beating))
        last = beating or last
        assert not last & set(hearing.beats.silent())


@pytest.mark.parametrize("renewed", ["yesterday", 7, "\u202e", "9" * 2_000])
def test_a_lease_that_cannot_be_read_is_bad_input(renewed: object) -> None:
    with pytest.raises(BadInput, match="renewTime"):
        Heartbeats().put(companions.lease("eu-a1", renewTime=renewed), 0.0)


def test_a_silent_node_receives_no_work_and_says_since_when_and_by_whom() -> None:
    """Its own status still says that it is ready: nobody is left to write another."""
    now = [100.0]
    model = ClusterModel("kubernetes/eu-1", ClusterId("eu-1"), builders.facts(), clock=lambda: now[0])
    for name in ("eu-a1", "eu-a2"):
        model.put(resources.NODES, raws.node(name))
        model.put(resources.LEASES, companions.lease(name))
    model.take()
    for second in range(1, 7):
        now[0] += 10
        model.put(resources.LEASES, companions.lease("eu-a1", second))
        model.listen()
    (silent,) = model.take().nodes
    assert (silent.id, silent.health) == ("eu-a2", Health.UNKNOWN)
    assert [(o.layer, o.source, str(o.observed_at)) for o in silent.origins] == [
        ("health", "kubernetes/eu-1/leases", "2026-11-26 10:00:00+00:00")
    ]
    model.put(resources.LEASES, companions.lease("eu-a2", 30))
    model.listen()
    (again,) = model.take().nodes
    assert (again.health, again.origins) == (Health.HEALTHY, ())
