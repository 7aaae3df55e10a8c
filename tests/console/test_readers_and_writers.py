"""A reader reads and a writer writes, by the API server's own word: `placet run` refuses, `placet doctor` explains."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from installations import founded, settings

from console import config
from console.bootstrap import Installation, running
from console.config import Config, Credentials
from console.state import StateDirectory
from estate.errors import Denied
from estate.hardware import Health
from estate.ids import ClusterId, Uid
from estate.modes import Mode
from policies.admission import identities
from tests.console import contacts
from tests.console.contacts import EU, Somebodys
from tools.controlplane import auditing
from tools.controlplane.credentials import Identity

US = ClusterId("us-1")

pytestmark = [pytest.mark.kubernetes, pytest.mark.nats, pytest.mark.processes, pytest.mark.timeout(300)]


@pytest.fixture
async def writer(somebodys: Somebodys) -> Identity:
    """The account that `placet policy export rbac` makes for the executor."""
    return await somebodys.plane.service_account(identities.NAMESPACE, identities.WRITER)


@pytest.fixture
async def greedy(somebodys: Somebodys) -> Identity:
    """A reader to whom somebody gave one thing more: to cordon nodes."""
    return await contacts.account(somebodys, "greedy", nodes="get,list,watch,patch")


def watching(state: StateDirectory, reader: Identity, writer: Identity | None = None) -> Config:
    """The installation's settings with the cluster in the place of the twin."""
    written = Credentials(kubeconfig=writer.kubeconfig) if writer else None
    cluster = config.Cluster(id=EU, reader=Credentials(kubeconfig=reader.kubeconfig), writer=written)
    return settings(state).model_copy(update={"clusters": (cluster,)})


async def test_a_reader_that_can_write_is_refused_at_the_start(
    somebodys: Somebodys, greedy: Identity, writer: Identity, tmp_path: Path
) -> None:
    """By the rights of its real token, whatever it is called; nothing was written to find out."""
    state = founded(tmp_path / "state", facts=somebodys.facts())
    for account, access in ((greedy, "patch nodes"), (writer, "create pods/eviction")):
        with pytest.raises(Denied) as raised:
            async with running(Installation.open(state, watching(state, account))):
                pytest.fail("it ran with a reader that can write")
        assert f"the reader of cluster `eu-1`, `{account.user}`, may " in str(raised.value)
        assert access in str(raised.value)
        assert not auditing.writes(somebodys.plane.audit_log, account.user)


async def test_a_reader_that_can_write_in_one_namespace_is_refused_and_explained(
    somebodys: Somebodys, tmp_path: Path
) -> None:
    """A RoleBinding that no cluster-wide question shows."""
    reader = await contacts.second_reader(somebodys, "helped")
    state = founded(tmp_path / "state", facts=somebodys.facts())
    chosen = watching(state, reader)
    async with contacts.bound(somebodys, "tenant-a", reader, services="patch"):
        with pytest.raises(Denied, match=f"`{reader.user}`, may patch services in tenant-a; give it no more than"):
            async with running(Installation.open(state, chosen)):
                pytest.fail("it ran with a reader that can write")
        found = await examined(tmp_path, state, chosen)
        assert found["reader of eu-1"] == [(False, f"`{reader.user}` may patch services in tenant-a")]
    assert (await examined(tmp_path, state, chosen))["reader of eu-1"][0][0]


async def test_a_reader_that_may_not_list_namespaces_proves_nothing(somebodys: Somebodys, tmp_path: Path) -> None:
    """Nobody knows then what it may write in single ones: refused, with what to give it."""
    state = founded(tmp_path / "state", facts=somebodys.facts())
    blind = await contacts.account(somebodys, "blind", nodes="get,list,watch", pods="get,list,watch")
    with pytest.raises(Denied, match="may not list namespaces, so that nobody knows what it may write in single ones"):
        async with running(Installation.open(state, watching(state, blind))):
            pytest.fail("it ran with a reader of which nobody knows what it can write")


async def test_a_whole_system_watches_the_cluster_with_a_reader(somebodys: Somebodys, tmp_path: Path) -> None:
    """The same credentials that first contact takes for a reader's are enough to run on, in observe."""
    state = founded(tmp_path / "state", facts=somebodys.facts())
    chosen = watching(state, somebodys.reader)
    assert chosen.standing_mode is Mode.OBSERVE
    async with running(Installation.open(state, chosen)) as system:
        newest = system.inventories["gate"].newest()
        assert {n.name for n in newest.nodes()} == {"odd", *(n.name for n in contacts.world().nodes)}
        assert {w.id for w in newest.workloads()} == {r["workload"] for r in (await _reviews(somebodys))}
    assert not auditing.writes(somebodys.plane.audit_log, somebodys.reader.user)


async def test_a_cluster_out_of_reach_at_the_start_keeps_nobody_waiting_and_its_racks_to_itself(
    somebodys: Somebodys, tmp_path: Path
) -> None:
    """The other cluster is watched; of the silent one everything that facts place is unknown and taken."""
    state = founded(tmp_path / "state", facts=somebodys.facts())
    lost = contacts.unreachable(somebodys.reader, tmp_path)
    silent = config.Cluster(id=US, reader=Credentials(kubeconfig=lost.kubeconfig))
    watched = watching(state, somebodys.reader)
    chosen = watched.model_copy(update={"clusters": (*watched.clusters, silent), "clusters_within_seconds": 1})
    async with running(Installation.open(state, chosen)) as system:
        newest = system.inventories["gate"].newest()
        unseen = [n for n in newest.nodes() if n.cluster == US]
        assert {n.id for n in unseen} == {n for r in newest.facts.racks if r.id.startswith("us") for n in r.nodes}
        assert {n.health for n in unseen} == {Health.UNKNOWN}
        assert all(newest.workloads_on(n.id) for n in unseen)
        assert {n.name for n in newest.nodes() if n.cluster == EU} >= {n.name for n in contacts.world().nodes}


async def test_doctor_shows_what_each_account_may_and_may_not(
    somebodys: Somebodys, greedy: Identity, writer: Identity, tmp_path: Path
) -> None:
    """A line where all is well; each access that is not as the roles say on a line of its own."""
    state = founded(tmp_path / "state", facts=somebodys.facts())
    found = await examined(tmp_path, state, watching(state, somebodys.reader, writer))
    assert found["reader of eu-1: cluster"] == [(True, f"uid {somebodys.uid}")]
    assert {n: [well for well, _ in f] for n, f in found.items() if n in ("reader of eu-1", "writer of eu-1")} == {
        "reader of eu-1": [True],
        "writer of eu-1": [True],
    }
    swapped = await examined(tmp_path, state, watching(state, greedy, somebodys.reader))
    assert (False, f"`{greedy.user}` may patch nodes") in swapped["reader of eu-1"]
    assert (False, f"`{greedy.user}` may not list pods") in swapped["reader of eu-1"]
    assert (False, f"`{somebodys.reader.user}` may not patch nodes") in swapped["writer of eu-1"]


async def test_doctor_names_a_cluster_that_is_another_or_out_of_reach(somebodys: Somebodys, tmp_path: Path) -> None:
    state = founded(tmp_path / "state", facts=somebodys.facts(uid=Uid("another")))
    found = await examined(tmp_path, state, watching(state, somebodys.reader))
    ((well, told),) = found["reader of eu-1: cluster"]
    assert (well, told) == (False, f"cluster `eu-1` has the uid `{somebodys.uid}` where facts say `another`")
    lost = contacts.unreachable(somebodys.reader, tmp_path)
    gone = await examined(tmp_path, state, watching(state, lost))
    ((well, told),) = gone["reader of eu-1"]
    assert not well
    assert told.startswith("`GET /api/v1/namespaces/kube-system` got no answer")


async def examined(root: Path, state: StateDirectory, chosen: Config) -> dict[str, list[tuple[bool, str]]]:
    """What `placet doctor` finds, by check, with these settings; it exits with 1 where anything is wrong."""
    await asyncio.to_thread(state.config_path.write_text, config.write(chosen))
    done = await contacts.placet(root, "doctor", "-o", "json")
    found: list[dict[str, Any]] = json.loads(done.stdout)
    assert done.returncode == (0 if all(f["well"] for f in found) else 1), done.stderr
    checks: dict[str, list[tuple[bool, str]]] = {}
    for finding in found:
        checks.setdefault(finding["check"], []).append((finding["well"], finding["found"]))
    return checks


async def _reviews(somebodys: Somebodys) -> list[dict[str, Any]]:
    reviews: list[dict[str, Any]] = (await somebodys.told(somebodys.facts()))["reviews"]
    return reviews
