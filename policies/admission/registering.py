"""The register: which warrants a cluster's door lets through, and where. A mark alone proves nothing.

`placet-warrant` sees that a write carries a new mark; anybody who has the writer's credentials can make one up. So the
gate, with credentials of its own, registers each warrant that it issues for a cluster before its executor hears of it,
and strikes it out when the execution has ended. `placet-register` refuses the writer every write whose warrant is not
registered, and every write outside of what that warrant is about: a node by its name, a namespace.

The register is a role of the writer's: the right to `use` so many `warrants.placet.dev` by name, which is no resource
of any API and opens nothing else. Kubernetes lets nobody write into a role what they may not do themselves, so the
registrar, who may use any warrant and write this one role, can put nothing else into it. Rules with parameters would
do as well, but refuse everybody's writes, not only ours, where their parameters are not there.

A name is the proposal's digest and a place: `4f…:nodes/gpu-7`, `4f…:tenant-a/`; `4f…:*/` is any namespace, for a drain,
which evicts whatever it finds on its node. Dry runs pass: they change nothing, and a rehearsal has no warrant yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from estate import pooling
from estate.canonical import Json
from estate.changes import (
    ApplyManifest,
    Change,
    CopyWorkload,
    DeleteObject,
    DrainNode,
    ReleaseCapacity,
    ReserveCapacity,
    ScaleMachineGroup,
)
from estate.effects import Step
from estate.ids import ClusterId, Digest
from estate.results import Ok
from estate.snapshots import Snapshot
from policies.admission.annotations import writes
from policies.admission.grants import Grant
from policies.admission.manifests import Check, Manifest, validating

REGISTER: Final = "placet-warrants"
"""The ClusterRole, and its binding to the writer."""
GROUP: Final = "placet.dev"
ANYWHERE: Final = "*/"
REFUSED: Final = "placet-register: "
"""How every refusal of this policy begins, so that an executor knows it for what may still arrive."""
REGISTRARS: Final = (
    Grant(GROUP, ("warrants",), ("use",)),
    Grant("", ("namespaces",), ("get",), ("kube-system",)),
    Grant("rbac.authorization.k8s.io", ("clusterroles",), ("get", "patch"), (REGISTER,)),
)
"""What the gate's own account may do in a cluster."""


def register_policy() -> Manifest:
    """The rule that the writer writes under registered warrants alone. What bears no mark `placet-warrant` refuses."""
    watch = writes(
        ("mark", "request.operation == 'DELETE' ? variables.earlier[0] : variables.newest"),
        ("warrant", "variables.mark.split(':').size() > 1 ? variables.mark.split(':')[1] : variables.mark"),
        ("inside", "request.?namespace.orValue('') != ''"),
        (
            "place",
            "variables.inside ? request.namespace + '/' : request.resource.resource + '/' + request.?name.orValue('')",
        ),
    )
    opened = f"{_may_use('variables.place')} || (variables.inside && {_may_use(f"'{ANYWHERE}'")})"
    check = Check(
        f"request.?dryRun.orValue(false) || variables.mark == '' || {opened}",
        f"'{REFUSED}no warrant of ' + variables.named + ' is registered here for ' + variables.place + "
        "'; the gate registers what it issues'",
    )
    return validating("placet-register", watch, (check,))


def _may_use(place: str) -> str:
    named = f"variables.warrant + ':' + {place}"
    return f"authorizer.group('{GROUP}').resource('warrants').name({named}).check('use').allowed()"


def rules(names: Iterable[str]) -> list[Json]:
    """The rules of the register's role with these names in it. No name must not mean every name."""
    held: list[Json] = [*sorted(names)]
    return [{"apiGroups": [GROUP], "resources": ["warrants"], "verbs": ["use"], "resourceNames": held}] if held else []


def names(proposal: Digest, places: Iterable[str]) -> frozenset[str]:
    """What stands in the register for a warrant."""
    return frozenset(f"{owned(proposal)}{place}" for place in places)


def owned(proposal: Digest) -> str:
    """How the names of a proposal's warrant begin."""
    return f"{proposal.removeprefix('sha256:')}:"


def places(steps: Iterable[Step], snapshot: Snapshot) -> dict[ClusterId, frozenset[str]]:
    """Where the writes of these steps go, cluster by cluster; each step is read on the estate that those before it
    leave.
    """
    found: dict[ClusterId, frozenset[str]] = {}
    for step in steps:
        for cluster, place in _reached(step.change, snapshot):
            found[cluster] = found.get(cluster, frozenset()) | {place}
        after = step.change.effect(snapshot)
        snapshot = after.value if isinstance(after, Ok) else snapshot
    return found


def _reached(change: Change, snapshot: Snapshot) -> Iterator[tuple[ClusterId, str]]:
    if isinstance(change, ApplyManifest | DeleteObject):
        yield change.cluster, f"{change.address.namespace}/"
        return
    if isinstance(change, ReserveCapacity | ReleaseCapacity):
        return  # no cluster is written
    if isinstance(change, ScaleMachineGroup):
        if (home := pooling.home(change.group)) is not None:
            yield home.cluster, f"{home.namespace}/"
        return  # the provider takes the nodes
    radius = change.footprint(snapshot)
    for node in (n for n in map(snapshot.node, radius.nodes) if n is not None):
        yield node.cluster, f"nodes/{node.name}"
        if isinstance(change, DrainNode):
            yield node.cluster, ANYWHERE
    for workload in (w for w in map(snapshot.workload, radius.workloads) if w is not None):
        yield workload.cluster, f"{workload.namespace}/"
        if isinstance(change, CopyWorkload):
            yield change.to_cluster, f"{change.namespace or workload.namespace}/"
