"""Drafts that are committed together come out as if each had come alone."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from policies.ledger import statements
from policies.ledger.groups import Before, Group
from policies.ledger.memory import MemoryLedger
from policies.ledger.port import Appended, Draft, Fence
from policies.ledger.sequencing import Sequencer
from tests.builders import INSTALLATION, TestEntropy
from tests.ledger.conftest import TENANTS, draft

tokens = st.none() | st.builds(Fence, st.sampled_from(["a", "b"]), st.integers(1, 3))
drafts = st.builds(
    lambda key, fence, tenants: draft(key, fence=fence, projections={t: {"part": key} for t in tenants}),
    st.sampled_from(["k:1", "k:2", "k:3", "k:4", "not a key"]),
    tokens,
    st.sets(st.sampled_from(TENANTS)),
)


async def alone(told: list[Draft]) -> list[Appended | Exception]:
    ledger = MemoryLedger(INSTALLATION, entropy=TestEntropy("same"))
    found: list[Appended | Exception] = []
    for one in told:
        try:
            found.append(await ledger.append(one))
        except Exception as refusal:
            found.append(type(refusal)())
    return found


@given(st.lists(drafts, max_size=8))
def test_a_group_is_what_its_drafts_are_one_after_the_other(told: list[Draft]) -> None:
    """Keys, places, hashes, tokens, refusals: of the same drafts with the same salts."""
    group = Group.of(told, Before({}, {}, {}), Sequencer(INSTALLATION, TestEntropy("same")))
    apart = asyncio.run(alone(told))
    seen = [o if isinstance(o, Appended) else type(o) for o in group.outcomes]
    assert seen == [o if isinstance(o, Appended) else type(o) for o in apart]
    rows = dict(group.rows())
    made = [o.entry for o in apart if isinstance(o, Appended) and o.created]
    assert [r[0] for r in rows.get(statements.WRITE_ENTRY, [])] == [e.index for e in made]
    assert {r[3] for r in rows.get(statements.WRITE_LEAF, [])} >= {e.leaf_hash for e in made}
