"""First contact with somebody's real cluster: all of it is told, none of it is touched."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from estate.ids import Uid
from policies.deciding import KERNEL
from tests.console import contacts
from tests.console.contacts import Somebodys
from tools.controlplane import auditing
from tools.controlplane.auditing import Request
from tools.controlplane.credentials import MASTERS
from tools.controlplane.launching import controlplane
from tools.inventory import files

pytestmark = [pytest.mark.kubernetes, pytest.mark.processes, pytest.mark.timeout(300)]

A_SERVE, B_TRAIN = "eu-1.tenant-a.deployment.a-serve", "eu-1.tenant-b.deployment.b-train"
STRAY = "eu-1.nobodys.deployment.stray"
QUESTIONS = {"selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"}
COLOUR = "\x1b["


@pytest.fixture(scope="module")
async def them() -> AsyncIterator[Somebodys]:
    """A control plane of these tests' own: first contact looks at the whole of a cluster."""
    async with controlplane() as plane, contacts.somebodys(plane) as found:
        yield found


@pytest.fixture
async def seen(them: Somebodys, tmp_path: Path) -> dict[str, Any]:
    """What is told under facts that know the cluster."""
    facts = contacts.written(them.facts(), tmp_path)
    return await contacts.told(tmp_path, "--kubeconfig", them.reader.kubeconfig, "--facts", facts)


async def audited(them: Somebodys, user: str, count: int) -> list[Request]:
    """What the API server says that this user asked, once it has said so much."""
    async with asyncio.timeout(20):
        while True:
            found = [r for r in auditing.requests(them.plane.audit_log) if r.user == user]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("ask", ["--ask", "--no-ask"])
async def test_the_audit_log_shows_no_write_whoever_looks(them: Somebodys, tmp_path: Path, ask: str) -> None:
    """With an administrator's credentials, which could write everything: nothing but what the report says was sent."""
    visitor = them.plane.identity(f"visitor{ask}", [MASTERS])
    sent = (await contacts.told(tmp_path, "--kubeconfig", visitor.kubeconfig, ask))["sent"]
    asked = await audited(them, visitor.user, sent["reads"] + sent["questions"])
    reads = [r for r in asked if r.verb in {"get", "list"}]
    questions = [r for r in asked if r.resource in QUESTIONS]
    assert (len(reads), len(questions)) == (sent["reads"], sent["questions"])
    assert len(asked) == len(reads) + len(questions)
    assert not auditing.writes(them.plane.audit_log, visitor.user)
    assert {r.agent for r in asked} == {"placet"}
    assert bool(questions) is (ask == "--ask")
    assert not [r for r in reads if r.resource == "secrets"]


async def test_everything_that_is_there_is_told(them: Somebodys, seen: dict[str, Any]) -> None:
    assert (seen["cluster"], seen["uid"], seen["mode"]) == ("eu-1", them.uid, "observe")
    assert seen["version"].startswith("v1.")
    there = seen["inventory"]
    nodes = {n["name"]: n for n in there["nodes"]}
    assert {name: n["health"] for name, n in nodes.items() if n["health"] != "healthy"} == {"eu-a2": "failed"}
    assert {name: n["failed"] for name, n in nodes.items() if n["failed"]} == {"eu-b2": 2}
    assert [name for name, n in nodes.items() if n["rack"] is None] == ["stranger"]
    (model,) = there["models"]
    assert {k: model[k] for k in ("accelerators", "failed", "used", "shut")} == {
        "accelerators": 56,
        "failed": 2,
        "used": 16,
        "shut": 6,
    }
    assert {t["tenant"]: t["accelerators"] for t in there["tenants"]} == {"tenant-a": 4, "tenant-b": 8}
    assert [(u["namespaces"], u["accelerators"]) for u in there["unassigned"]] == [(["nobodys"], 4)]
    serve = next(w for w in there["workloads"] if w["id"] == A_SERVE)
    assert {k: serve[k] for k in ("replicas", "running", "min_available", "controller")} == {
        "replicas": 2,
        "running": 1,
        "min_available": 1,
        "controller": "deployment",
    }
    assert seen["kept_out"] == {"Pod nobodys/odd": "spec.containers: 65 accelerators in one pod are more than 64"}


async def test_the_law_is_asked_about_what_runs(seen: dict[str, Any]) -> None:
    """The shipped rules answer, in agreement with the kernel: which policy, what it needs, what it found."""
    broken = {r["workload"]: {f["policy"] for f in r["failures"]} for r in seen["reviews"]}
    assert broken[A_SERVE] == set()
    assert broken[B_TRAIN] == {"sovereignty-legal"}
    assert broken[STRAY] >= {"facts-complete-workload", "sovereignty-geographic", "tenant-isolation"}
    failures = [f for r in seen["reviews"] for f in r["failures"]]
    assert KERNEL not in {f["policy"] for f in failures}
    (legal,) = next(r["failures"] for r in seen["reviews"] if r["workload"] == B_TRAIN)
    assert (legal["needed"], legal["found"]) == ("only FR", "reaches DE")
    assert legal["remedy"] == "no cluster in the facts is lawful for it"


async def test_what_would_be_done_is_what_the_path_would_do(seen: dict[str, Any]) -> None:
    """A fence for each fault, then the runbook's evacuation; about the rest, nothing, with the reason."""
    would = {f["about"]: f for f in seen["foreseen"]}
    lost = would["node/eu-a2"]["proposed"]
    assert [(p["lane"], p["decision"]) for p in lost] == [("containment", "permit"), ("case", "permit")]
    assert lost[0]["changes"] == ["cordon node eu-a2"]
    (moved,) = lost[1]["changes"]
    assert re.fullmatch(rf"move {A_SERVE}: eu-a2 → eu-[ab][1-4]", moved)
    device = would["node/eu-b2"]
    assert [p["changes"] for p in device["proposed"]] == [["cordon node eu-b2"]]
    assert device["nothing"] == "eu-b2 fenced, and nothing runs there"
    assert not would[f"workload/{B_TRAIN}"]["proposed"]
    assert would[f"workload/{B_TRAIN}"]["nothing"].startswith("the runbook has no remedy for")


async def test_a_cluster_that_no_fact_knows_is_shown_and_denied(them: Somebodys, tmp_path: Path) -> None:
    """Also under facts that give its name to another cluster: the uid decides."""
    other = contacts.written(them.facts(uid=Uid("another")), tmp_path)
    for law in ([], ["--facts", other]):
        found = await contacts.told(tmp_path, "--kubeconfig", them.reader.kubeconfig, *law)
        assert not found["facts"]["knows_cluster"]
        assert found["cluster"] == "local", "as its context is called"
        assert len(found["inventory"]["nodes"]) == 7
        assert {t["namespaces"][0] for t in found["inventory"]["unassigned"]} == {"nobodys", "tenant-a", "tenant-b"}
        assert not [r for r in found["reviews"] if not r["failures"]], "nothing is lawful that nobody knows"
        assert not [f for f in found["foreseen"] if f["proposed"]]
        assert them.uid in found["next"][0]


async def test_a_drafted_law_base_parses_and_permits_nothing(them: Somebodys, tmp_path: Path) -> None:
    draft = tmp_path / "draft.yaml"
    arguments = ("--kubeconfig", them.reader.kubeconfig)
    await contacts.told(tmp_path, *arguments, "--draft-facts", draft)
    facts = files.load_facts(draft)
    assert [(c.id, c.uid) for c in facts.clusters] == [("local", them.uid)]
    racks = {r.id: set(r.nodes) for r in facts.racks}
    assert racks["local.zone-1.a"] == {"local.eu-a1", "local.eu-a2"}
    assert racks["local.zone-1.b"] == {"local.eu-b1"}
    told = draft.read_text()
    assert all(f"name: {n}}}" in told for n in ("nobodys", "tenant-a", "tenant-b"))
    assert told.index("No label says where these stand") < told.index("# - local.stranger")
    found = await contacts.told(tmp_path, *arguments, "--facts", draft)
    assert found["facts"]["knows_cluster"]
    assert not [r for r in found["reviews"] if not r["failures"]]
    assert not [p for f in found["foreseen"] for p in f["proposed"] if p["decision"] != "forbid"]
    again = await contacts.placet(tmp_path, "connect", *arguments, "--draft-facts", draft)
    assert (again.returncode, draft.read_text()) == (2, told), "a skeleton never overwrites what was filled in"


async def test_an_unfilled_draft_denies_once_its_time_is_extended(them: Somebodys, tmp_path: Path) -> None:
    """Each placeholder denies by itself, not only by the date."""
    draft = tmp_path / "draft.yaml"
    await contacts.told(tmp_path, "--kubeconfig", them.reader.kubeconfig, "--draft-facts", draft)
    form = yaml.safe_load(draft.read_text())
    form["valid_until"] = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    draft.write_text(yaml.safe_dump(form))
    found = await contacts.told(tmp_path, "--kubeconfig", them.reader.kubeconfig, "--facts", draft)
    policies = [{f["policy"] for f in r["failures"]} for r in found["reviews"]]
    axes = {"sovereignty-geographic", "sovereignty-legal", "sovereignty-operational", "facts-complete-workload"}
    assert all(axes <= p for p in policies)


async def test_the_signed_facts_of_an_installation_are_used(them: Somebodys, tmp_path: Path) -> None:
    facts = contacts.written(them.facts(), tmp_path)
    assert (await contacts.placet(tmp_path, "init", "--facts", facts)).returncode == 0
    found = await contacts.told(tmp_path, "--kubeconfig", them.reader.kubeconfig)
    assert found["facts"]["knows_cluster"]
    assert found["facts"]["source"].startswith("version 1, signed in ")
    refused = await contacts.placet(
        tmp_path, "connect", "--kubeconfig", them.reader.kubeconfig, "--draft-facts", tmp_path / "draft.yaml"
    )
    assert refused.returncode == 2
    assert "the facts know `eu-1` already" in refused.stderr


async def test_credentials_that_can_write_are_told_so(them: Somebodys, seen: dict[str, Any], tmp_path: Path) -> None:
    assert seen["rights"]["who"] == them.reader.user
    assert (seen["rights"]["beyond"], seen["rights"]["lacking"]) == ([], [])
    done = await contacts.placet(tmp_path, "connect", "--kubeconfig", them.plane.kubeconfig)
    assert done.returncode == 0
    assert "they can write: `placet run` will refuse them as a reader" in done.stdout
    assert "placet policy export rbac | kubectl" in done.stdout
    assert "create token placet-reader" in done.stdout


async def test_a_person_reads_tables_without_colour_in_a_pipe(them: Somebodys, tmp_path: Path) -> None:
    facts = contacts.written(them.facts(), tmp_path)
    done = await contacts.placet(tmp_path, "connect", "--kubeconfig", them.reader.kubeconfig, "--facts", facts)
    assert done.returncode == 0
    assert done.stderr == "listed 7 nodes, 1 poddisruptionbudgets, 3 deployments, 3 replicasets, 6 pods\n"
    assert COLOUR not in done.stdout
    for told in ("7 nodes: 6 ready, 1 not ready", "2 of 3 workloads are not lawful where they run", "placet.yaml"):
        assert told in done.stdout


@pytest.mark.parametrize(("token", "server", "code"), [("forged", None, 4), (None, "https://127.0.0.1:9", 1)])
async def test_what_cannot_be_reached_is_said_with_its_exit_code(
    them: Somebodys, tmp_path: Path, token: str | None, server: str | None, code: int
) -> None:
    """No answer is 1, credentials that nobody accepts are 4."""
    form = yaml.safe_load(them.reader.kubeconfig.read_text())
    form["users"][0]["user"]["token"] = token or form["users"][0]["user"]["token"]
    form["clusters"][0]["cluster"]["server"] = server or form["clusters"][0]["cluster"]["server"]
    file = tmp_path / "broken.kubeconfig"
    file.write_text(yaml.safe_dump(form))
    done = await contacts.placet(tmp_path, "connect", "--kubeconfig", file)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("placet: `GET /api/v1/namespaces/kube-system`")


async def test_a_context_that_is_not_there_is_a_mistake_of_the_asker(them: Somebodys, tmp_path: Path) -> None:
    done = await contacts.placet(tmp_path, "connect", "--kubeconfig", them.reader.kubeconfig, "--context", "gone")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no credentials from" in done.stderr
