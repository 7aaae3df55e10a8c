"""First contact with somebody's real cluster: all of it is told, none of it is touched."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from installations import founded

from console.contact import grounds
from estate.ids import Uid
from estate.law import Facts
from policies.deciding import KERNEL
from tests.console import contacts
from tests.console.contacts import Form, Somebodys
from tools.controlplane import auditing
from tools.controlplane.auditing import Request
from tools.controlplane.credentials import MASTERS
from tools.inventory import files

pytestmark = [pytest.mark.kubernetes, pytest.mark.processes, pytest.mark.timeout(300)]

A_SERVE, B_TRAIN = "eu-1.tenant-a.deployment.a-serve", "eu-1.tenant-b.deployment.b-train"
STRAY = "eu-1.nobodys.deployment.stray"
QUESTIONS = {"selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"}
COLOUR = "\x1b["


@pytest.fixture(scope="module")
async def seen(somebodys: Somebodys) -> Form:
    """What is told under facts that know the cluster."""
    return await somebodys.told(somebodys.facts())


async def audited(somebodys: Somebodys, user: str, count: int) -> list[Request]:
    """What the API server says that this user asked, once it has said so much."""
    async with asyncio.timeout(20):
        while True:
            found = list(auditing.requests(somebodys.plane.audit_log, user))
            if len(found) >= count:
                return found
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("ask", ["--ask", "--no-ask"])
async def test_the_audit_log_shows_no_write_whoever_looks(somebodys: Somebodys, tmp_path: Path, ask: str) -> None:
    """With an administrator's credentials, which could write everything: nothing but what the report says was sent."""
    visitor = somebodys.plane.identity(f"visitor{ask}", [MASTERS])
    done = await contacts.placet(tmp_path, "connect", "--kubeconfig", visitor.kubeconfig, ask, "-o", "json")
    sent = json.loads(done.stdout)["sent"]
    asked = await audited(somebodys, visitor.user, sent["reads"] + sent["questions"])
    reads = [r for r in asked if r.verb in {"get", "list"}]
    questions = [r for r in asked if r.resource in QUESTIONS]
    assert (len(reads), len(questions)) == (sent["reads"], sent["questions"])
    assert len(asked) == len(reads) + len(questions)
    assert not auditing.writes(somebodys.plane.audit_log, visitor.user)
    assert {r.agent for r in asked} == {"placet"}
    assert bool(questions) is (ask == "--ask")
    assert not [r for r in reads if r.resource == "secrets"]


async def test_everything_that_is_there_is_told(somebodys: Somebodys, seen: Form) -> None:
    assert (seen["cluster"], seen["uid"], seen["mode"]) == ("eu-1", somebodys.uid, "observe")
    assert seen["version"].startswith("v1.")
    there = seen["inventory"]
    nodes = {n["name"]: n for n in there["nodes"]}
    assert {name: n["health"] for name, n in nodes.items() if n["health"] != "healthy"} == {
        "eu-a2": "failed",
        "odd": "unknown",
    }
    assert {name: n["failed"] for name, n in nodes.items() if n["failed"]} == {"eu-b2": 2}
    assert {name for name, n in nodes.items() if n["rack"] is None} == {"odd", "stranger"}
    model, unreadable = sorted(there["models"], key=lambda m: m["accelerators"])
    assert (unreadable["accelerators"], unreadable["used"]) == (512, 0)
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
    assert seen["kept_out"] == {"Node odd": "status.capacity.nvidia.com/gpu: 513 devices are more than 512"}


async def test_the_law_is_asked_about_what_runs(seen: Form) -> None:
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


async def test_what_would_be_done_is_what_the_path_would_do(seen: Form) -> None:
    """A fence for each fault, then the evacuation; what is lawful nowhere is to be stopped, once its owner agrees."""
    would = {f["about"]: f for f in seen["foreseen"]}
    lost = would["node/eu-a2"]["proposed"]
    assert [(p["lane"], p["decision"]) for p in lost] == [("containment", "permit"), ("case", "permit")]
    assert lost[0]["changes"] == ["cordon node eu-a2"]
    (moved,) = lost[1]["changes"]
    assert re.fullmatch(rf"move {A_SERVE}: eu-a2 → eu-[ab][1-4]", moved)
    device = would["node/eu-b2"]
    assert [p["changes"] for p in device["proposed"]] == [["cordon node eu-b2"]]
    assert device["nothing"] == "eu-b2 fenced, and nothing runs there"
    (stopped,) = would[f"workload/{B_TRAIN}"]["proposed"]
    assert stopped["changes"] == [f"scale {B_TRAIN} to 0 replicas"]
    assert stopped["decision"] != "permit", "its tenant wants to be asked"


async def test_a_cluster_that_no_fact_knows_is_shown_and_denied(somebodys: Somebodys) -> None:
    """Also under facts that give its name to another cluster: the uid decides."""
    for law in (None, somebodys.facts(uid=Uid("another"))):
        found = await somebodys.told(law)
        assert not found["facts"]["knows_cluster"]
        assert found["cluster"] == "local", "as its context is called"
        assert len(found["inventory"]["nodes"]) == 8
        assert {t["namespaces"][0] for t in found["inventory"]["unassigned"]} == {"nobodys", "tenant-a", "tenant-b"}
        assert not [r for r in found["reviews"] if not r["failures"]], "nothing is lawful that nobody knows"
        assert not [f for f in found["foreseen"] if f["proposed"]]
        assert somebodys.uid in found["next"][0]


async def test_a_drafted_law_base_parses_and_permits_nothing(somebodys: Somebodys, tmp_path: Path) -> None:
    draft = tmp_path / "draft.yaml"
    arguments = ("connect", "--kubeconfig", somebodys.reader.kubeconfig, "--draft-facts", draft)
    assert (await contacts.placet(tmp_path, *arguments)).returncode == 0
    facts, text = files.load_facts(draft), draft.read_text()
    assert [(c.id, c.uid) for c in facts.clusters] == [("local", somebodys.uid)]
    racks = {r.id: set(r.nodes) for r in facts.racks}
    assert racks == {"local.zone-1.a": {"local.eu-a1", "local.eu-a2"}, "local.zone-1.b": {"local.eu-b1"}}
    assert all(f"name: {n}}}" in text for n in ("nobodys", "tenant-a", "tenant-b"))
    assert text.index("No label says where these stand") < text.index("# - local.stranger")
    found = await somebodys.told(facts)
    assert found["facts"]["knows_cluster"]
    assert all("facts-in-force" in {f["policy"] for f in r["failures"]} for r in found["reviews"])
    assert {p["decision"] for f in found["foreseen"] for p in f["proposed"]} == {"forbid"}
    again = await contacts.placet(tmp_path, *arguments)
    assert (again.returncode, draft.read_text()) == (2, text), "a skeleton never overwrites what was filled in"


async def test_each_placeholder_of_a_draft_denies_by_itself(somebodys: Somebodys) -> None:
    """Not only by the date."""
    now = datetime.now(UTC)
    drafted = files.parse(Facts, (await somebodys.met(None)).draft(now).encode(), "draft")
    found = await somebodys.told(drafted.model_copy(update={"valid_until": now + timedelta(days=1)}))
    axes = {"sovereignty-geographic", "sovereignty-legal", "sovereignty-operational", "facts-complete-workload"}
    assert all(axes <= {f["policy"] for f in r["failures"]} for r in found["reviews"])


async def test_the_signed_facts_of_an_installation_are_used(somebodys: Somebodys, tmp_path: Path) -> None:
    state = founded(tmp_path / "state", facts=somebodys.facts())
    found = await somebodys.told(grounds.read(None, state, datetime.now(UTC)))
    assert found["facts"] == {"source": f"version 1, signed in {state.root}", "knows_cluster": True}
    refused = await contacts.placet(
        tmp_path, "connect", "--kubeconfig", somebodys.reader.kubeconfig, "--draft-facts", tmp_path / "draft.yaml"
    )
    assert refused.returncode == 2
    assert "the facts know `eu-1` already" in refused.stderr


async def test_credentials_that_can_write_are_told_so(somebodys: Somebodys, seen: Form, tmp_path: Path) -> None:
    assert seen["rights"]["who"] == somebodys.reader.user
    assert (seen["rights"]["beyond"], seen["rights"]["lacking"]) == ([], [])
    done = await contacts.placet(tmp_path, "connect", "--kubeconfig", somebodys.plane.kubeconfig)
    assert done.returncode == 0
    assert "they can write: `placet run` will refuse them as a reader" in done.stdout
    assert "placet policy export rbac | kubectl" in done.stdout
    assert "create token placet-reader" in done.stdout


async def test_what_may_not_be_listed_is_named_and_the_rest_is_shown(somebodys: Somebodys) -> None:
    """Somebody's first credentials are rarely those of a reader."""
    narrow = await contacts.account(somebodys, "narrow", nodes="list")
    meeting = await somebodys.met(somebodys.facts(), narrow)
    found = meeting.report
    assert len(found.inventory.nodes) == 8
    assert not found.inventory.workloads
    kinds = ("Pod", "PodDisruptionBudget", "Deployment", "ReplicaSet", "StatefulSet", "Job", "CronJob")
    assert set(found.kept_out) == {"Node odd", *(f"every {kind}" for kind in kinds)}
    assert "answered 403" in found.kept_out["every Pod"]
    assert found.rights is not None
    assert found.rights.reader
    assert "list pods" in found.rights.lacking
    assert found.next[0].startswith("these credentials may not read everything that a reader needs: make a reader")


async def test_a_person_reads_tables_without_colour_in_a_pipe(somebodys: Somebodys, tmp_path: Path) -> None:
    facts = contacts.written(somebodys.facts(), tmp_path)
    arguments = ("connect", "--kubeconfig", somebodys.reader.kubeconfig, "--facts", facts)
    done = await contacts.placet(tmp_path, *arguments, program=contacts.COLD)
    assert done.returncode == 0
    assert done.stderr == "listed 8 nodes, 1 poddisruptionbudgets, 3 deployments, 3 replicasets, 5 pods\n"
    assert COLOUR not in done.stdout
    for told in (
        "8 nodes: 6 ready, 1 not ready, 1 of unknown health",
        "2 of 3 workloads are not lawful where they run",
        "placet.yaml",
    ):
        assert told in done.stdout


@pytest.mark.parametrize(
    ("odd", "code"), [({"token": "forged"}, 4), ({"server": "https://127.0.0.1:9"}, 1)], ids=["refused", "silent"]
)
async def test_what_cannot_be_reached_is_said_with_its_exit_code(
    somebodys: Somebodys, tmp_path: Path, odd: dict[str, str], code: int
) -> None:
    """No answer is 1, credentials that nobody accepts are 4."""
    done = await contacts.placet(
        tmp_path, "connect", "--kubeconfig", contacts.edited(somebodys.reader, tmp_path, **odd)
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("placet: `GET /api/v1/namespaces/kube-system`")


async def test_a_context_that_is_not_there_is_a_mistake_of_the_asker(somebodys: Somebodys, tmp_path: Path) -> None:
    done = await contacts.placet(tmp_path, "connect", "--kubeconfig", somebodys.reader.kubeconfig, "--context", "gone")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no credentials from" in done.stderr
