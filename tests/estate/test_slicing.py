"""Slices lie where their maker lets them, and cutting a board never touches a slice that somebody holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate import slicing
from estate.hardware import Node
from tests import builders
from tests.drawing import among

A100, A30 = slicing.profiles("NVIDIA-A100-SXM4-40GB", 40_960), slicing.profiles("NVIDIA-A30", 24_576)


@pytest.mark.parametrize(
    ("board", "held", "profile", "starts"),
    [
        (A100, [], "1g.5gb", (0, 1, 2, 3, 4, 5, 6)),
        (A100, [], "1g.10gb", (0, 2, 4, 6)),
        (A100, [], "2g.10gb", (0, 2, 4)),
        (A100, [("3g.20gb", 0)], "3g.20gb", (4,)),
        (A100, [("3g.20gb", 0)], "4g.20gb", ()),
        (A100, [("3g.20gb", 4)], "4g.20gb", (0,)),
        (A100, [("1g.5gb", 6)], "3g.20gb", (0,)),
        (A100, [("1g.5gb", 0)], "7g.40gb", ()),
        (A100, [("1g.5gb+me", 1)], "2g.10gb", (2, 4)),
        (A100, [("5g.1gb", 1)], "1g.5gb", ()),
        (A30, [("1g.6gb", 3)], "2g.12gb", (0,)),
        (A30, [], "3g.20gb", ()),
    ],
)
def test_a_slice_begins_where_its_profile_may(
    board: tuple[slicing.Profile, ...], held: list[tuple[str, int]], profile: str, starts: tuple[int, ...]
) -> None:
    """As `nvidia-smi mig -lgipp` lists them; what lies at the wrong end is in the way of larger ones."""
    assert slicing.starts(board, profile, held) == starts


@pytest.mark.parametrize(
    ("model", "mebibytes", "largest"),
    [
        ("NVIDIA-H100-80GB-HBM3", 81_559, "7g.80gb"),
        ("NVIDIA H200", 143_771, "7g.141gb"),
        ("NVIDIA-H20", 97_871, "7g.96gb"),
        ("A100-SXM4-80GB", 81_920, "7g.80gb"),
        ("NVIDIA-A10G", 23_028, ""),
        ("AMD-Instinct-MI300X", 196_608, ""),
    ],
)
def test_the_table_goes_by_name_and_memory(model: str, mebibytes: int, largest: str) -> None:
    assert next((p.name for p in reversed(slicing.profiles(model, mebibytes))), "") == largest


@given(st.lists(among([p.name for p in A100]), min_size=1, max_size=4), st.data())
def test_what_is_cut_anew_overlaps_nothing_and_leaves_alone_what_is_held(
    wanted: list[str], data: st.DataObject
) -> None:
    board = builders.accelerator("eu-a1", 0, model="NVIDIA-A100-SXM4-40GB", memory_mebibytes=40_960)
    other = board.model_copy(update={"index": 1, "uuid": "GPU-other"})
    node: Node = builders.node(accelerators=0).model_copy(update={"accelerators": (board, other)})
    for profile in wanted:
        held = data.draw(st.sets(st.sampled_from([a.index for a in node.accelerators] or [0])))
        count = data.draw(st.integers(1, 8))
        before = {a.index: a for a in node.accelerators if a.index in held}
        had = sum(a.cut == profile and a.index not in held for a in node.accelerators)
        made = slicing.cut(node, held, profile, count)
        if made is None:
            continue
        assert before.items() <= {a.index: a for a in made.accelerators}.items()
        assert sum(a.cut == profile and a.index not in held for a in made.accelerators) >= had + count
        for uuid in {a.board for a in made.accelerators if a.cut}:
            sizes = {p.name: p.size for p in A100}
            lying = [(a.start or 0, sizes[a.cut]) for a in made.accelerators if a.board == uuid]
            taken = [s for start, size in lying for s in range(start, start + size)]
            assert len(taken) == len(set(taken))
            assert not any(a.uuid == uuid for a in made.accelerators)
        node = made
