"""The model of a cluster, event by event: whatever the order, it must end where a fresh list would begin."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from estate.conditions import written_bindings
from estate.errors import BadInput
from estate.hardware import Node
from estate.ids import ClusterId, NodeId
from estate.itemkinds import ItemKind
from estate.workloads import Workload
from tests import builders
from tests.kubernetes import companions, raws
from tests.kubernetes.raws import Raw
from tools.inventory.kubernetes.modelling import UNEXPECTED, ClusterModel
from tools.inventory.port import Observed
from tools.kubernetes import naming, nodes, resources, workloads
from tools.kubernetes import objects as kept
from tools.kubernetes.numbering import Numbering
from tools.kubernetes.resources import Resource

EU = ClusterId("eu-1")
FACTS = builders.facts()
NODES = ("eu-a1", "eu-a2", "stray")
type Event = tuple[bool, Resource, Raw]


def fresh() -> ClusterModel:
    return ClusterModel("kubernetes/eu-1", EU, FACTS)


def feed(model: ClusterModel, events: Iterable[Event]) -> None:
    for there, resource, raw in events:
        if there:
            model.put(resource, raw)
        else:
            model.drop(resource, raw)


def taken(model: ClusterModel) -> Observed:
    while model.settle(3):
        pass
    return model.take()


def everything(model: ClusterModel) -> dict[str, Any]:
    """The whole estate of the model, without what is book-keeping by decision 0009."""
    taken(model)
    return meaning(model.everything())


def meaning(seen: Observed) -> dict[str, Any]:
    items: dict[Any, Any] = {i.ref: i for i in seen.items}
    return items | {n.id: n for n in seen.nodes} | {w.id: counted(w) for w in seen.workloads}


def counted(workload: Workload) -> Any:
    return workload.model_copy(update={"bindings": ()}), written_bindings(workload)


_names = st.sampled_from(("serve", "train"))
_spaces = st.sampled_from(("tenant-a", "tenant-b", "nobodys"))


@st.composite
def objects(draw: st.DrawFn) -> tuple[Resource, Raw]:
    """One object of a small world in which names meet often."""
    kind = draw(st.sampled_from(("node", "node", "budget", "deployment", "set", "job", "pod", "bare", "companion")))
    name, space = draw(_names), draw(_spaces)
    deployment = raws.owner("Deployment", name, space, replicas=draw(st.integers(0, 3)), gpus=draw(st.integers(0, 4)))
    replica_set = raws.owner("ReplicaSet", f"{name}-1", space, by=deployment)
    match kind:
        case "node":
            node = raws.node(draw(st.sampled_from(NODES)), gpus=draw(st.sampled_from((0, 4, 8))))
            node["metadata"]["uid"] += draw(st.sampled_from(("", "-again")))
            node["spec"]["taints"] = [{"key": "placet.dev/fenced", "effect": "NoSchedule"}][: draw(st.integers(0, 1))]
            return resources.NODES, node
        case "budget":
            return resources.BUDGETS, raws.budget(name, space, minAvailable=draw(st.sampled_from((1, 2, "50%"))))
        case "deployment":
            return resources.DEPLOYMENTS, deployment
        case "set":
            return resources.REPLICA_SETS, replica_set
        case "companion":
            return draw(beside())
        case "job":
            return resources.JOBS, raws.owner("Job", name, space, replicas=draw(st.integers(0, 2)))
    by = draw(st.sampled_from((replica_set, raws.owner("Job", name, space)))) if kind == "pod" else None
    home, phase = draw(st.sampled_from((*NODES, ""))), draw(st.sampled_from(("Running", "Pending", "Succeeded")))
    pod = raws.pod(f"{name}-{draw(st.integers(0, 4))}", space, by=by, on=home, phase=phase)
    pod["metadata"]["uid"] += "" if by is None else f"-{by['kind']}"
    pod["spec"]["containers"][0]["resources"]["requests"] = draw(
        st.sampled_from(({}, {"cpu": "500m", "memory": "1Gi"}))
    )
    return resources.PODS, pod


@st.composite
def beside(draw: st.DrawFn) -> tuple[Resource, Raw]:
    """One object of a kind that a cluster may serve or not."""
    home, name, space = draw(st.sampled_from(NODES)), draw(_names), draw(_spaces)
    devices = [companions.device(n) for n in range(draw(st.integers(0, 3)))]
    held = draw(st.lists(st.sampled_from(("gpu-0", "gpu-1", "gpu-9")), unique=True, max_size=2))
    pods = tuple(draw(st.lists(st.sampled_from(("serve-0", "train-1")), unique=True, max_size=2)))
    number, spot = draw(st.integers(0, 2)), draw(st.booleans())
    return draw(
        st.sampled_from(
            (
                (resources.SLICES, companions.resource_slice(home, *devices, generation=number)),
                (resources.SLICES, companions.resource_slice(home, *devices, name=f"{home}-more", generation=number)),
                (resources.CLAIMS, companions.claim(name, home, *held, pods=pods, space=space)),
                (resources.PODS, companions.claiming(f"{name}-{number}", name, on=home, space=space)),
                (resources.LEASES, companions.lease(home, number)),
                (resources.CAPI_MACHINES, companions.machine(name, node=home if spot else "")),
                (resources.CAPI_CLUSTERS, companions.cluster(name)),
                (resources.DEPLOYED_CLUSTERS, companions.deployed(name, "aws", "cni", labels={"spot": str(spot)})),
                (resources.CLUSTER_TEMPLATES, companions.template("aws", "aws", f"1.{number}")),
                (resources.SERVICE_TEMPLATES, companions.template("cni", "cni", f"2.{number}")),
                (resources.CLUSTER_SERVICES, companions.laid_on("all", "cni", spot="True")),
                (resources.INSTANCES, companions.instance(name, on=home, space=space)),
            )
        )
    )


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Event], list[Event]]:
    """Events as an API server can send them (one object of a kind and name at a time), and what is left in the end."""
    events: list[Event] = []
    left: dict[tuple[str, str, str], tuple[Resource, Raw]] = {}
    for resource, raw in draw(st.lists(objects(), max_size=40)):
        about = raw["metadata"]
        at = (resource.plural, about.get("namespace", ""), about["name"])
        before = left.get(at)
        if before is not None and (before[1]["metadata"]["uid"] != about["uid"] or draw(st.booleans())):
            events.append((False, *before))
            del left[at]
            if before[1]["metadata"]["uid"] == about["uid"]:
                continue
        events.append((True, resource, raw))
        left[at] = (resource, raw)
    return events, [(True, resource, raw) for resource, raw in left.values()]


class TestTheModel:
    @given(histories(), st.randoms(use_true_random=False))
    def test_after_any_history_it_equals_a_fresh_list(
        self, history: tuple[list[Event], list[Event]], random: Any
    ) -> None:
        """The kinds arrive on separate streams, so a list may bring them in any order."""
        events, left = history
        model, listed = fresh(), fresh()
        feed(model, events)
        random.shuffle(left)
        feed(listed, left)
        assert everything(model) == everything(listed)

    @given(histories(), st.integers(1, 7))
    def test_its_batches_add_up_to_everything(self, history: tuple[list[Event], list[Event]], size: int) -> None:
        """Followers see batches only; one that is left out is a drift that nobody notices."""
        events, _ = history
        model, kept = fresh(), {}
        for start in range(0, len(events), size):
            feed(model, events[start : start + size])
            batch = taken(model)
            for gone in (*batch.removed_nodes, *batch.removed_workloads, *batch.removed_items):
                kept.pop(gone, None)
            kept |= meaning(batch)
        assert kept == everything(model)
        assert not model.dirty

    @given(histories())
    def test_no_device_is_held_twice(self, history: tuple[list[Event], list[Event]]) -> None:
        """The book-keeping allots each index of a node to one replica at a time. (A claim may be several pods'.)"""
        model = fresh()
        feed(model, [event for event in history[0] if event[1] is not resources.CLAIMS])
        taken(model)
        held = [(b.node, i) for w in model.everything().workloads for b in w.bindings for i in b.accelerators]
        assert len(held) == len(set(held))

    def test_a_relist_removes_what_went_unseen(self) -> None:
        model = fresh()
        feed(model, [(True, resources.NODES, raws.node("eu-a1")), (True, resources.NODES, raws.node("eu-a2"))])
        taken(model)
        model.relist(resources.NODES)
        model.keep_only(resources.NODES, {model.put(resources.NODES, raws.node("eu-a2"))})
        assert taken(model).removed_nodes == ("eu-a1",)

    def test_what_is_no_replica_counts_against_its_node_until_it_ends(self) -> None:
        def requesting(name: str, space: str, cpu: str, gpus: int = 0) -> Raw:
            pod = raws.pod(name, space, on="eu-a1", gpus=gpus)
            pod["spec"]["containers"][0]["resources"]["requests"] = {"cpu": cpu, "memory": "1000001"}
            return pod

        def other() -> tuple[int, int]:
            (node,) = [n for n in model.everything().nodes if n.id == "eu-a1"]
            return node.other_millicores, node.other_mebibytes

        model = fresh()
        agent, stranger = requesting("agent", "kube", "250m"), requesting("job", "kube", "1.5")
        agent["metadata"]["ownerReferences"] = [raws.reference(raws.owner("DaemonSet", "agent", "kube"))]
        mine = requesting("own", "tenant-a", "4", gpus=2)
        feed(model, [(True, resources.PODS, p) for p in (agent, stranger, mine)])
        feed(model, [(True, resources.NODES, raws.node())])
        taken(model)
        assert other() == (1_750, 2)
        (work,) = model.everything().workloads
        assert (work.contract.millicores, work.contract.host_mebibytes) == (4_000, 1)
        feed(
            model,
            [(True, resources.PODS, stranger | {"status": {"phase": "Succeeded"}}), (False, resources.PODS, mine)],
        )
        assert taken(model).nodes[0].other_millicores == 250
        assert other() == (250, 1)

    def test_an_event_that_changes_nothing_here_makes_no_batch(self) -> None:
        """Heartbeats and probes change objects all day long."""
        model = fresh()
        feed(model, [(True, resources.NODES, raws.node()), (True, resources.PODS, raws.pod("p", on="eu-a1"))])
        taken(model)
        beat, probe = raws.node(), raws.pod("p", on="eu-a1")
        beat["status"]["conditions"][0]["lastHeartbeatTime"] = "2026-11-21T08:00:00Z"
        probe["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
        feed(model, [(True, resources.NODES, beat), (True, resources.PODS, probe)])
        assert not model.dirty

    def test_other_facts_are_obeyed_at_once(self) -> None:
        """A namespace that changes hands changes the tenant of what runs there; a node that moves, its id."""
        model = fresh()
        feed(model, [(True, resources.NODES, raws.node("gpu-7")), (True, resources.PODS, raws.pod("p", on="gpu-7"))])
        taken(model)
        theirs = builders.tenant("tenant-b", namespaces=builders.tenant("tenant-a").namespaces)
        rack = builders.rack("eu-a", nodes=(NodeId("gpu-7"),))
        model.obey(builders.facts(tenants=(theirs,), datasets=(), racks=(rack,)))
        batch = taken(model)
        assert [n.id for n in batch.nodes] == ["gpu-7"]
        assert batch.removed_nodes == ("eu-1.gpu-7",)
        assert [(w.tenant, [b.node for b in w.bindings]) for w in batch.workloads] == [("tenant-b", ["gpu-7"])]

    def test_a_device_draws_what_its_model_draws(self) -> None:
        """Labels come a while after the node does; the workloads on it are told again."""
        model = fresh()
        bare = raws.node(labels={})
        feed(model, [(True, resources.NODES, bare), (True, resources.PODS, raws.pod("p", on="eu-a1"))])
        assert [w.watts_per_accelerator for w in taken(model).workloads] == [1_000]
        feed(model, [(True, resources.NODES, raws.node())])
        assert [w.watts_per_accelerator for w in taken(model).workloads] == [700]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterable[tuple[Any, ...]]:
    """Every place in an object."""
    yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, found in inner:
        yield from paths(found, (*at, key))


@st.composite
def broken(draw: st.DrawFn) -> tuple[Resource, Any]:
    """A good object with something else in one to three of its places; or nothing like an object at all."""
    resource, raw = draw(objects())
    if draw(st.integers(0, 9)) == 0:
        return resource, draw(st.dictionaries(st.text(max_size=10), _json, max_size=4))
    raw = copy.deepcopy(raw)
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from([p for p in paths(raw) if p]))
        holder: Any = raw
        for step in way:
            holder = holder[step] if isinstance(holder, dict | list) and step in _keys(holder) else {}
        if isinstance(holder, dict | list) and last in _keys(holder):
            holder[last] = draw(_json | st.just("\u202e" * 3) | st.just("9" * 400) | st.just(2**70) | st.just(10**5000))
    return resource, raw


def _keys(holder: Any) -> Iterable[Any]:
    return holder if isinstance(holder, dict) else range(len(holder))


class TestHostileObjects:
    @given(st.lists(broken(), max_size=12), histories())
    def test_no_object_ever_raises_and_what_comes_out_can_be_published(
        self, hostile: list[tuple[Resource, Any]], history: tuple[list[Event], list[Event]]
    ) -> None:
        """One broken object in somebody's cluster must not blind the inventory to all others."""
        model = fresh()
        feed(model, history[0])
        for resource, raw in hostile:
            model.put(resource, raw)
        taken(model)
        found = model.everything()
        for thing in (*found.nodes, *found.workloads, *found.items):
            thing.canonical()
            assert isinstance(thing, Node | Workload | ItemKind)
            assert type(thing).model_validate(thing.json_form()) == thing
        assert not [r for r in model.refused.values() if r.startswith(UNEXPECTED)]
        for resource, raw in hostile:
            model.drop(resource, raw)
        taken(model)

    @given(broken())
    def test_a_live_read_of_a_broken_object_says_why_and_nothing_else(self, hostile: tuple[Resource, Any]) -> None:
        """The executor reads through the same functions; anything but a reason would end a step with a stray error."""
        resource, raw = hostile
        if resource.name in {r.name for r in resources.COMPANIONS}:
            return
        with contextlib.suppress(BadInput):
            if resource is resources.NODES:
                nodes.node(raw, FACTS, EU).canonical()
            elif resource is resources.BUDGETS:
                kept.budget(raw)
            else:
                found = workloads.assemble(kept.owner(raw, resource), [], [], FACTS, EU, Numbering())
                assert found is None or found.canonical()

    def test_a_broken_object_is_kept_out_told_once_and_taken_in_when_it_is_mended(self) -> None:
        model = fresh()
        bad = raws.pod("p", on="eu-a1")
        bad["spec"]["containers"] = "all of them"
        feed(model, [(True, resources.PODS, raws.pod("p", on="eu-a1"))])
        assert len(taken(model).workloads) == 1
        feed(model, [(True, resources.PODS, bad), (True, resources.PODS, bad)])
        assert dict(model.refused) == {"Pod tenant-a/p": "spec.containers: expected a list, found str"}
        assert taken(model).removed_workloads == ("eu-1.tenant-a.pod.p",)
        feed(model, [(True, resources.PODS, raws.pod("p", on="eu-a1"))])
        assert not model.refused
        assert len(taken(model).workloads) == 1

    def test_a_label_cannot_make_a_tenant(self) -> None:
        model = fresh()
        feed(model, [(True, resources.PODS, raws.pod("p", "nobodys", on="eu-a1", labels={"tenant": "tenant-a"}))])
        assert [w.tenant for w in taken(model).workloads] == [naming.UNASSIGNED]
