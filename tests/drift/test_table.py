"""The table of drift: real objects, written to a real API server by named managers. What is found, whose it is, what
would put it right; and where a change would, the executor's own target carries it out and the drift is gone.
"""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from estate.drifts import Drift, Matter
from tests.drift.benches import Bench
from tests.drift.tables import TABLE, Row
from tests.execution.clusters import until
from tools.controlplane.launching import ControlPlane
from tools.drift.audits import Trail

pytestmark = pytest.mark.kubernetes


def told(drifts: tuple[Drift, ...]) -> set[tuple[str, str | None, Matter]]:
    """What the table says of drifts."""
    return {(d.path, d.by.manager if d.by else None, d.matter) for d in drifts}


async def seen(bench: Bench, row: Row) -> tuple[Drift, ...]:
    """The drifts now."""
    name = bench.world.stem("n") if row.node else "serve"
    return bench.gone() if bench.last else await bench.drifts(row.kind, name)


@pytest.mark.parametrize("case", TABLE)
async def test_a_drift_is_found_with_its_culprit_and_put_right(bench: Bench, case: str) -> None:
    row = TABLE[case]
    await row.given(bench)
    assert await bench.drifts(row.kind, bench.world.stem("n") if row.node else "serve") == ()
    await row.done(bench)
    found = await seen(bench, row)
    assert told(found) == set(row.found), [d.told() for d in found]
    for drift in found:
        assert (drift.restoring.kind if drift.restoring else "") == row.change, drift.told()
        assert row.reason in drift.no_change
    if row.change:
        restoring = found[0].restoring
        assert restoring is not None
        await bench.placet(restoring)
        bench.last = {}
        assert await seen(bench, row) == ()


async def test_who_took_a_label_away_stands_in_the_audit_log(bench: Bench, control_plane: ControlPlane) -> None:
    """managedFields forget whoever removes; the API server's own log does not."""
    row = TABLE["a label of a node was taken away by hand"]
    await row.given(bench)
    await row.done(bench)
    (drift,) = await seen(bench, row)
    assert drift.by is None

    async def trail() -> Trail:
        return Trail.of(control_plane.audit_log.read_bytes().splitlines())

    found = await until(trail, lambda t: "(kubectl-label)" in str(t.last.get(drift.called)))
    hand = found.last[drift.called]
    assert (hand.manager, hand.operation) == ("admin (kubectl-label)", "patch")
    assert hand.at is not None


def test_a_broken_line_of_an_audit_log_is_passed_over() -> None:
    odd: list[Any] = [
        None,
        [],
        7,
        {"verb": "patch"},
        {"verb": "patch", "objectRef": 5, "responseStatus": {"code": 200}},
    ]
    lines = [orjson.dumps(o) for o in odd] + [b"{", b"", b"\xff"]
    assert Trail.of(lines).last == {}


async def test_a_secret_is_never_looked_into(bench: Bench) -> None:
    """Not even to say that it drifted: a drift tells values."""
    from tools.drift import desires, objects

    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "a"}, "data": {"k": "YQ=="}}
    other = secret | {"data": {"k": "Yg=="}}
    assert objects.drifts(secret, bench.setting, [desires.declared(other)]) == ()
    assert objects.missing(secret, bench.setting) == ()


def test_the_table_is_long_enough() -> None:
    """At least twenty cases, some of which are no drift."""
    assert len(TABLE) >= 25
    assert sum(not row.found for row in TABLE.values()) >= 8
    assert sum(bool(row.change) for row in TABLE.values()) >= 8
