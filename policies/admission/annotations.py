"""The warrant rule: Placet's writer writes nothing without a new `placet.dev/warrant`, and nobody else forges one.

Two policies. `placet-warrant` binds our own account, everywhere and on every kind: RBAC says what the writer could do,
this says that it does none of it unannounced. `placet-protected` holds in namespaces that opt in by the label
`placet.dev/protected: "true"`: there only the writer, the workload controllers that copy templates, and the break-glass
groups may change Placet's annotations.

Of what runs, the writer changes the placement and nothing else. It makes controllers (the copies of workloads), in no
namespace of the cluster's own, and none that would hand its pods their node.

Admission sees one request, not the ledger: it proves that an object's warrant is there and new, which is that its first
entry (entries by comma, the newest first) is none that the object carried before. A creation and an eviction have no
object before them; an eviction must therefore name its pod by uid, so that a repeated one meets no other pod.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from policies.admission import grants, identities, texts
from policies.admission.manifests import Check, Manifest, Rule, Watch, validating

WARRANT: Final = "placet.dev/warrant"
DATASETS: Final = "placet.dev/datasets"
PROTECTED: Final = "placet.dev/protected"
PREFIX: Final = "placet.dev/"
GATE: Final = f"{PREFIX}placement"
"""The scheduling gate behind which a tenant's pods wait until Placet has placed them."""

_REVIEWS: Final = Rule(("authorization.k8s.io", "authentication.k8s.io"), ("*/*",), ("*",))
"""Questions, not writes: asking what one may do."""
_CONTROLLERS: Final = (
    "system:kube-controller-manager",
    *(
        f"system:serviceaccount:kube-system:{name}"
        for name in (
            "cronjob-controller",
            "daemon-set-controller",
            "deployment-controller",
            "job-controller",
            "replicaset-controller",
            "statefulset-controller",
        )
    ),
)
"""Who copies the annotations of a template into what it makes."""
OBJECTS: Final = tuple(sorted({r for g in grants.OBJECTS for r in g.resources}))
_SYSTEM: Final = (
    "request.namespace.startsWith('kube-') || request.namespace.startsWith('openshift-') || "
    "request.namespace.endsWith('-system') || request.namespace.endsWith('-operator')"
)
"""The namespaces of tier 0's `system-namespace`, whatever RBAC gave the writer there."""
_ANNOTATION: Final = f"?metadata.?annotations[?'{WARRANT}'].orValue('')"
_RUNNING: Final = (
    "pods",
    "podtemplates",
    "replicationcontrollers",
    "deployments",
    "replicasets",
    "statefulsets",
    "daemonsets",
    "jobs",
)
_PLACEMENT: Final = ("affinity", "topologySpreadConstraints")
"""All that the writer may change of what runs: RBAC knows no fields, and an image of one's own is a shell on a node."""
_MACHINES: Final = "cluster.x-k8s.io"
"""Of what it makes the writer sets the number, and says which machine may leave."""
_ANSWERS: Final = "(request.resource.group == 'kueue.x-k8s.io' && variables.what == 'workloads/status')"
"""The one status that the writer writes: its answer to an admission check. A status bears no mark of its own, so the
write just before it on the same object does."""
_OURS: Final = f"variables.then[k].all(g, g.name == '{GATE}')"
"""A gate of another's is not ours to take away."""
_NO_NODE: Final = " && ".join(
    (
        *(f"!variables.made.?{field}.orValue(false)" for field in ("hostNetwork", "hostPID", "hostIPC")),
        "variables.made.?nodeName.orValue('') == ''",
        "!variables.made.?volumes.orValue([]).exists(v, has(v.hostPath))",
        *(
            f"!variables.made.?{field}.orValue([]).exists(c, c.?securityContext.?privileged.orValue(false))"
            for field in ("containers", "initContainers")
        ),
    )
)
_FOUND: Final = f"object == null ? '' : object.{_ANNOTATION}"
_BEFORE: Final = f"oldObject == null ? '' : oldObject.{_ANNOTATION}"


def _names(items: Sequence[str]) -> str:
    return ", ".join(f"'{item}'" for item in items)


def _running(of: str) -> str:
    """CEL for the pod spec of a workload, or of a pod; empty for all else, and for what is not an update."""
    return f"variables.runs ? {of}.?spec.?template.?spec.orValue({of}.?spec.orValue({{}})) : {{}}"


def _sized(of: str) -> str:
    """CEL for all that the writer leaves as it is of a group of machines, or of a machine; empty for all else."""
    groups = f"request.resource.group == '{_MACHINES}' && request.operation == 'UPDATE'"
    return f"{groups} ? {of}.?spec.orValue({{}}) : {{}}"


def writes(*more: tuple[str, str]) -> Watch:
    """Every write of Placet's own writer in the whole cluster, and the warrants that it names; `more` are variables."""
    return Watch(
        rules=(Rule(("*",), ("*/*",), ("*",)),),
        without=(_REVIEWS,),
        conditions=(("placets-writer", f"request.userInfo.username == '{identities.username(identities.WRITER)}'"),),
        variables=(
            ("found", _FOUND),
            ("before", _BEFORE),
            ("newest", "variables.found.split(',')[0]"),
            ("earlier", "variables.before.split(',')"),
            ("part", "request.?subResource.orValue('')"),
            ("what", "request.resource.resource + (variables.part == '' ? '' : '/' + variables.part)"),
            ("named", "variables.what + ' ' + request.?name.orValue('')"),
            *more,
        ),
    )


def warrant_policy() -> Manifest:
    """The rule that binds Placet's own writer, in the whole cluster."""
    watch = writes(
        ("runs", f"request.operation == 'UPDATE' && request.resource.resource in [{_names(_RUNNING)}]"),
        (
            "makes",
            "request.operation == 'CREATE' && variables.part == '' && "
            f"request.resource.resource in [{_names(_RUNNING)}]",
        ),
        ("made", "variables.makes ? object.?spec.?template.?spec.orValue({}) : {}"),
        ("now", _running("object")),
        ("then", _running("oldObject")),
        ("keeps", _sized("object")),
        ("kept", _sized("oldObject")),
    )
    return validating("placet-warrant", watch, _warrant_checks())


def _warrant_checks() -> Sequence[Check]:
    return (
        Check(
            f"request.operation != 'CONNECT' && (variables.part in ['', 'eviction'] || {_ANSWERS}) && "
            "variables.what != 'bindings'",
            "'placet-warrant: placet scales and places by writing the workload, never through ' + variables.what",
            "Invalid",
        ),
        Check(
            "!(request.operation in ['CREATE', 'UPDATE']) || variables.newest != ''",
            f"'placet-warrant: ' + variables.named + ' carries no {WARRANT}; nothing changes without a warrant'",
            "Invalid",
        ),
        Check(
            "request.operation != 'UPDATE' || variables.newest == '' || !(variables.newest in variables.earlier) || "
            f"{_ANSWERS}",
            f"'placet-warrant: ' + variables.named + ' carries the {WARRANT} of an earlier write; give each its own'",
            "Invalid",
        ),
        Check(
            "request.operation != 'DELETE' || variables.before != ''",
            f"'placet-warrant: ' + variables.named + ' carries no {WARRANT}; annotate it, then delete it'",
            "Invalid",
        ),
        Check(
            f"!(request.resource.resource in [{_names(OBJECTS)}]) || !({_SYSTEM})",
            "'placet-warrant: ' + variables.named + ' is in ' + request.namespace + ', a namespace of the cluster'",
        ),
        Check(
            f"variables.now.all(k, k in [{_names(_PLACEMENT)}] || (k in variables.then && variables.now[k] == "
            f"variables.then[k])) && variables.then.all(k, k in [{_names(_PLACEMENT)}] || k in variables.now || "
            f"(request.resource.resource == 'pods' && k == 'schedulingGates' && {_OURS}))",
            "'placet-warrant: placet says where ' + variables.named + ' runs, never what runs in it'",
        ),
        Check(
            "variables.keeps.all(k, (k == 'replicas' && request.resource.resource == 'machinedeployments') || "
            "(k in variables.kept && variables.keeps[k] == variables.kept[k])) && "
            "variables.kept.all(k, k in variables.keeps)",
            "'placet-warrant: placet says how many machines ' + variables.named + ' has, never which'",
        ),
        Check(
            f"!variables.makes || (request.resource.resource in [{_names(grants.OWNERS)}] && !({_SYSTEM}))",
            "'placet-warrant: placet makes no ' + variables.named + ' in ' + request.namespace",
        ),
        Check(
            _NO_NODE,
            "'placet-warrant: ' + variables.named + ' would hand its pods their node'",
        ),
        Check(
            "variables.part != 'eviction' || object.?deleteOptions.?preconditions.?uid.orValue('') != ''",
            "'placet-warrant: the eviction of ' + request.?name.orValue('') + ' names no uid; say which pod was meant'",
            "Invalid",
        ),
    )


def protected_policy(break_glass: Sequence[str] = (identities.BREAK_GLASS,)) -> Manifest:
    """The rule that keeps others' hands off Placet's annotations, in namespaces that opt in."""
    exempt = ", ".join(f"'{u}'" for u in (identities.username(identities.WRITER), *_CONTROLLERS))
    groups = ", ".join(texts.literal(g) for g in break_glass)
    watch = Watch(
        rules=(Rule(("*",), ("*",), ("CREATE", "UPDATE"), "Namespaced"),),
        labelled=((PROTECTED, "true"),),
        conditions=(
            ("not-placet", f"!(request.userInfo.username in [{exempt}])"),
            ("not-break-glass", f"!request.userInfo.?groups.orValue([]).exists(g, g in [{groups}])"),
        ),
        variables=(
            ("found", "object.?metadata.?annotations.orValue({})"),
            ("before", "oldObject == null ? {} : oldObject.?metadata.?annotations.orValue({})"),
            (
                "changed",
                f"variables.found.filter(k, k.startsWith('{PREFIX}') && (k in variables.before "
                f"? variables.before[k] != variables.found[k] : k != '{DATASETS}')) "
                f"+ variables.before.filter(k, k.startsWith('{PREFIX}') && !(k in variables.found))",
            ),
        ),
    )
    check = Check(
        "size(variables.changed) == 0",
        "'placet-protected: ' + request.namespace + ' is protected: only placet may change ' + "
        "variables.changed.join(', ') + '; ask `placet propose`, or a member of the break-glass group'",
    )
    return validating("placet-protected", watch, (check,))
