"""Any kind of thing at a real door: what operators ask, what a tenant is told, and what is refused in words."""

from __future__ import annotations

import re

import pytest
from installations import Running
from test_front_door import enrolled

from console.door.commands import (
    Assured,
    Coverage,
    Describe,
    ExitCode,
    FleetReported,
    Get,
    History,
    LawReported,
    OfferAsked,
    Ranked,
    Supposed,
    Top,
    Topology,
    Why,
    WouldPlace,
)
from estate.identities import Role
from estate.ids import SiteId, TenantId, WorkloadId
from tools.views.selecting import read

pytestmark = [pytest.mark.nats, pytest.mark.xdist_group("system")]


async def test_an_operator_asks_for_everything_and_a_tenant_is_told_its_own(placet: Running) -> None:
    door = placet.system.door(placet.admin)
    for what in ("entity", "cluster", "site", "accelerator"):
        assert (await door.call(Get(what=what))).result, what
    fenced = await door.call(Get(what="node", where=read("health=healthy"), site=SiteId("eu-de")))
    assert isinstance(fenced.result, list)
    assert fenced.result
    for what in Ranked:
        assert (await door.call(Top(what=what))).result, what
    coverage = (await door.call(Coverage())).result
    assert isinstance(coverage, list)
    assert {"fresh", "absent"} <= {c["standing"] for c in coverage if isinstance(c, dict)}
    wrong = await door.call(Get(what="node", where=read("colour=red")))
    assert (wrong.code, "a node has no field `colour`" in wrong.message) == (ExitCode.USAGE, True)

    own = await enrolled(placet, "erin", Role.TENANT_OWNER, tenants=("tenant-a",))
    assert (await own.call(Get(what="entity"))).result == []
    assert (await own.call(Coverage())).code is ExitCode.FORBIDDEN
    other = await own.call(Describe(what="tenant", name="tenant-b"))
    assert other.code is ExitCode.NOT_FOUND
    tree, mine = await own.call(Topology()), await own.call(Top(what=Ranked.RACKS))
    assert "tenant-b" not in str(tree.result) + str(mine.result)
    racks = await door.call(Top(what=Ranked.RACKS))
    assert isinstance(mine.result, list)
    assert isinstance(racks.result, list)
    assert 0 < len(mine.result) < len(racks.result)


async def test_the_law_report_tells_operators_where_everything_stands_and_nobody_else(placet: Running) -> None:
    told = (await placet.system.door(placet.admin).call(LawReported(days=3650))).result
    assert isinstance(told, dict)
    assert isinstance(told["running"], list)
    assert {w["failures"] == [] for w in told["running"] if isinstance(w, dict)} == {True}
    assert [e["fact"] for e in told["expiring"] if isinstance(e, dict)] == ["valid_until"]  # type: ignore[union-attr]
    own = await enrolled(placet, "otto", Role.TENANT_OWNER, tenants=("tenant-a",))
    assert (await own.call(LawReported())).code is ExitCode.FORBIDDEN


async def test_the_past_of_a_node_is_told_by_version(placet: Running) -> None:
    door = placet.system.door(placet.admin)
    nodes = (await door.call(Get(what="node"))).result
    assert isinstance(nodes, list)
    assert isinstance(nodes[0], dict)
    name = str(nodes[0]["name"])
    told = (await door.call(History(what="node", name=name))).result
    assert isinstance(told, list)
    assert isinstance(told[0], dict)
    assert told[0]["what"] == "known"
    epoch, _, sequence = str(told[0]["version"]).rpartition("/")[2].partition(".")
    version = {"installation": "test", "epoch": int(epoch), "sequence": int(sequence)}
    then = (await door.call(History.model_validate({"what": "node", "name": name, "version": version}))).result
    assert isinstance(then, list)
    assert isinstance(then[0], dict)
    assert then[0]["changed"] == []
    late = await door.call(History.model_validate({"what": "node", "name": name, "at": "2020-01-01T00:00:00Z"}))
    assert (late.code, "further back" in late.message) == (ExitCode.NOT_FOUND, True)


async def test_a_tenant_is_told_of_its_own_work_in_the_contracts_words_and_of_no_rack(placet: Running) -> None:
    door = placet.system.door(placet.admin)
    work = (await door.call(Get(what="workload"))).result
    assert isinstance(work, list)
    mine, theirs = (next(w for w in work if isinstance(w, dict) and w["tenant"] == t) for t in ("tenant-a", "tenant-b"))
    racks = [str(r["name"]) for r in (await door.call(Get(what="rack"))).result if isinstance(r, dict)]  # type: ignore[union-attr]
    assert "site/eu-de" in str((await door.call(Assured())).result)
    report = (await door.call(FleetReported(hours=1))).result
    assert isinstance(report, dict)
    assert sum(report["booked"].values()) == report["accelerators"]  # type: ignore[union-attr, arg-type]
    lost = Supposed.model_validate({"supposed": [{"kind": "lose", "domain": f"rack/{racks[0]}"}]})
    assert (await door.call(lost)).ok

    own = await enrolled(placet, "olga", Role.TENANT_OWNER, tenants=("tenant-a",))
    for refused in (lost, FleetReported()):
        assert (await own.call(refused)).code is ExitCode.FORBIDDEN
    request = {"tenant": "tenant-a", "accelerators": 64}
    questions = [
        Assured(),
        Why(workload=WorkloadId(str(mine["name"]))),
        WouldPlace(workload=WorkloadId(str(mine["name"]))),
        OfferAsked.model_validate({"request": request}),
    ]
    for question in questions:
        told = await own.call(question)
        assert told.ok, told
        assert not [n for n in (*racks, "tenant-b") if re.search(rf"\b{n}\b", str(told.result))], question
    for other in (
        Why(workload=WorkloadId(str(theirs["name"]))),
        WouldPlace(workload=WorkloadId(str(theirs["name"]))),
        OfferAsked.model_validate({"request": request | {"tenant": TenantId("tenant-b")}}),
    ):
        assert (await own.call(other)).code is ExitCode.NOT_FOUND
