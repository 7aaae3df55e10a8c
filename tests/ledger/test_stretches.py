"""However an export is cut for several to check, what is found is the same."""

from __future__ import annotations

import asyncio
import itertools
import json
import pickle
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from policies.ledger import lines, sharing, stretches
from policies.ledger.memory import MemoryLedger
from policies.ledger.merkle import Growing
from policies.ledger.port import EntryKind
from policies.ledger.stretches import Checked, Stretch
from policies.ledger.verifying import LONGEST_STRETCH
from tests.builders import INSTALLATION, TestEntropy
from tests.ledger.conftest import SIGNING, draft
from tests.ledger.test_verification import EXPORT, INSTALL, edited, found, place

LEAVES = [line for line in EXPORT if (at := place(line)) is not None and at[0] == INSTALL]


def pieces(leaves: Sequence[bytes], cuts: set[int]) -> list[Stretch]:
    tree, made = Growing(), []
    bounds = [0, *sorted(c for c in cuts if 0 < c < len(leaves)), len(leaves)]
    for low, high in itertools.pairwise(bounds):
        made.append(Stretch(INSTALL, low, tree.peaks, leaves[low:high]))
        for line in leaves[low:high]:
            tree.add(lines.recorded(line))
    return made


def told(checked: Sequence[Checked]) -> tuple[object, ...]:
    """All that a verifier takes from them; of broken chains the first alone, as it does."""
    whole, chained, first = list[object](), True, 0
    for one in checked:
        for doubt in one.doubts:
            if not doubt.chain or chained:
                whole.append((first + doubt.at, doubt.reason, doubt.chain))
            chained = chained and not doubt.chain
        first += len(one.keys)
    broken = [one.broken for one in checked if one.broken][:1]
    return whole, [k for one in checked for k in one.keys], b"".join(bytes(one.roots) for one in checked), broken


@given(st.data(), st.sets(st.integers(1, len(LEAVES) - 1), max_size=4))
def test_a_log_in_pieces_is_found_as_it_is_found_whole(data: st.DataObject, cuts: set[int]) -> None:
    damaged = list(LEAVES)
    for number in data.draw(st.sets(st.integers(0, len(LEAVES) - 1), max_size=2)):
        field = data.draw(st.sampled_from(["key", "prev", "body", "hash"]))
        other = json.loads(LEAVES[(number + 1) % len(LEAVES)])

        def change(form: dict[str, Any], field: str = field, other: dict[str, Any] = other) -> None:
            if field == "hash":
                form["hash"] = other["hash"]
            else:
                form["leaf"][field] = other["leaf"][field]

        damaged[number] = edited(LEAVES[number], change)
    whole = told([stretches.check(s) for s in pieces(damaged, set())])
    assert told([stretches.check(s) for s in pieces(damaged, cuts)]) == whole


@cache
def long() -> list[bytes]:
    """An export of more entries than a stretch holds."""

    async def run() -> list[bytes]:
        ledger = MemoryLedger(INSTALLATION, signing=SIGNING, entropy=TestEntropy("long"))
        for number in range(LONGEST_STRETCH + 40):
            await ledger.append(draft(f"c:{number}", EntryKind.COMMANDED, proposal=None, projections={}, body={}))
        return [line async for line in ledger.export()]

    return asyncio.run(run())


def test_what_is_broken_in_a_later_stretch_is_named_by_its_own_line() -> None:
    assert found(long()).fault is None
    number = LONGEST_STRETCH + 20
    spoiled = edited(long()[number + 1], lambda form: form["content"].update(by="gate:test/another"))
    fault = found([*long()[: number + 1], spoiled, *long()[number + 2 :]]).fault
    assert fault is not None
    assert (fault.index, fault.line) == (number, number + 2)
    early = found(long()[: number + 1]).fault
    assert early is not None
    assert (early.index, early.line) == (number, number + 2)
    assert "ends here" in early.reason


def test_what_several_find_side_by_side_comes_back_in_order_and_whole() -> None:
    """A thread in place of each process, and what is sent to and fro as it would be sent."""
    given = [*pieces(LEAVES, {3, 7}), *pieces([*LEAVES[:5], b"no line\n", *LEAVES[6:]], {2})]
    with ThreadPoolExecutor(2) as pool:
        among = sharing.Among(pool, 2)
        answered = [*(c for s in given for c in among.give(pickle.loads(pickle.dumps(s)))), *among.rest()]
    assert pickle.loads(pickle.dumps(answered)) == [stretches.check(s) for s in given]
