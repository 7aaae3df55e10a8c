"""Hold a world against the law base: what is observed that no signed fact knows, and what contradicts one.

A finding refuses nothing; the law does. It tells the person who wrote the files what will be denied later and why.
"""

from __future__ import annotations

from collections.abc import Iterable

from estate.law import Facts
from estate.records import Model
from estate.things import Thing, ThingKind
from estate.workloads import Workload
from estate.worlds import World


class Finding(Model):
    """One disagreement between what is observed and the facts, with what to do."""

    about: Thing
    fault: str
    remedy: str


def cross_check(facts: Facts, world: World) -> tuple[Finding, ...]:
    """Every disagreement, nodes first, in the order of the file."""
    return (*_of_nodes(facts, world), *_of_facts(facts, world), *_of_workloads(facts, world))


def _of_nodes(facts: Facts, world: World) -> Iterable[Finding]:
    for node in world.nodes:
        rack = facts.rack_of.get(node.id)
        cluster = facts.cluster.get(node.cluster)
        if rack is None:
            yield _node(node.id, "no fact places it in a rack", "add it to `racks[].nodes` of the facts")
        if cluster is None:
            yield _node(node.id, f"cluster `{node.cluster}` is unknown", "add the cluster to the facts")
        elif rack is not None and facts.rack[rack].site != cluster.site:
            fault = f"rack `{rack}` stands at `{facts.rack[rack].site}`, cluster `{cluster.id}` is at `{cluster.site}`"
            yield _node(node.id, fault, "correct the rack's or the cluster's site")


def _of_facts(facts: Facts, world: World) -> Iterable[Finding]:
    seen = {n.id for n in world.nodes}
    for name in facts.rack_of:
        if name not in seen:
            yield _node(name, "a rack names it and nothing observed answers to it", "remove it or correct the name")


def _of_workloads(facts: Facts, world: World) -> Iterable[Finding]:
    nodes = {n.id: n for n in world.nodes}
    for workload in world.workloads:
        yield from _of_workload(facts, workload)
        for binding in workload.bindings:
            node = nodes.get(binding.node)
            if node is None:
                yield _workload(workload, f"replica {binding.replica} is on unknown `{binding.node}`", "add the node")
            elif node.cluster != workload.cluster:
                fault = f"replica {binding.replica} is on `{node.id}` of cluster `{node.cluster}`"
                yield _workload(workload, fault, f"name a node of `{workload.cluster}`")
            elif missing := set(binding.accelerators) - {a.index for a in node.accelerators}:
                yield _workload(workload, f"`{node.id}` has no accelerator {min(missing)}", "correct the index")


def _of_workload(facts: Facts, workload: Workload) -> Iterable[Finding]:
    if workload.tenant not in facts.tenant:
        yield _workload(workload, f"tenant `{workload.tenant}` is unknown", "add the tenant to the facts")
    elif (owner := facts.tenant_of.get((workload.cluster, workload.namespace))) != workload.tenant:
        fault = f"namespace `{workload.namespace}` of `{workload.cluster}` belongs to `{owner or 'nobody'}`"
        yield _workload(workload, fault, f"add it to the namespaces of `{workload.tenant}`")
    if workload.cluster not in facts.cluster:
        yield _workload(workload, f"cluster `{workload.cluster}` is unknown", "add the cluster to the facts")
    for dataset in workload.datasets:
        if dataset not in facts.dataset:
            yield _workload(workload, f"dataset `{dataset}` is unknown", "add the dataset to the facts")


def _node(name: str, fault: str, remedy: str) -> Finding:
    return Finding(about=Thing(kind=ThingKind.NODE, id=name), fault=fault, remedy=remedy)


def _workload(workload: Workload, fault: str, remedy: str) -> Finding:
    return Finding(about=Thing(kind=ThingKind.WORKLOAD, id=workload.id), fault=fault, remedy=remedy)
