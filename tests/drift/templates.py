"""Hypothesis strategies: objects as tenants write them, with whatever they leave out, and single flips of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tools.kubernetes.connecting import Object

type Objects = st.SearchStrategy[Object]

names = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
words = st.from_regex(r"[a-z0-9]{1,12}", fullmatch=True)
ports = st.integers(1, 65535)
amounts = st.sampled_from(["1", "1000m", "0.5", "500m", "2", "1Gi", "1024Mi", "1e3", "3k", "1.5Gi"])
labels = st.dictionaries(names, words, max_size=3)
seconds = st.integers(1, 9)
protocols = st.sampled_from(["TCP", "UDP"])


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Object]:
    """Some of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


def unique(items: st.SearchStrategy[Object], by: str, **more: Any) -> st.SearchStrategy[list[Object]]:
    """A list whose items differ in a field."""
    return st.lists(items, unique_by=lambda i: i[by], **more)


def about(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Object]:
    """Metadata with some labels and annotations, null and empty ones among them."""
    return some(labels=st.one_of(labels, st.none()), annotations=labels, **fields)


probe = st.one_of(
    st.builds(lambda p, more: {"httpGet": {"path": "/", "port": p}} | more, ports, some(periodSeconds=seconds)),
    st.builds(lambda p: {"tcpSocket": {"port": p}}, ports),
)
variable = st.one_of(
    st.builds(lambda n, v: {"name": n, "value": v}, names, words),
    st.builds(lambda n: {"name": n, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, names),
)
volume = st.one_of(
    st.builds(lambda n: {"name": n, "emptyDir": {}}, names),
    st.builds(lambda n, c: {"name": n, "configMap": {"name": c}}, names, words),
    st.builds(lambda n, c: {"name": n, "secret": {"secretName": c}}, names, words),
    st.builds(
        lambda n: {"name": n, "projected": {"sources": [
            {"serviceAccountToken": {"path": "token"}},
            {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        ]}},
        names,
    ),
)  # fmt: skip
container_port = st.builds(lambda p, m: {"containerPort": p} | m, ports, some(protocol=protocols))
container = st.builds(
    lambda name, image, more: {"name": name, "image": image} | more,
    names,
    words,
    some(
        command=st.lists(words, max_size=3),
        env=unique(variable, "name", max_size=3),
        ports=unique(container_port, "containerPort", max_size=2),
        resources=some(limits=some(cpu=amounts, memory=st.sampled_from(["1Gi", "1024Mi", "1G"]))),
        readinessProbe=probe,
        securityContext=some(privileged=st.just(False), runAsNonRoot=st.booleans()),
        tty=st.booleans(),
    ),
)
toleration = st.sampled_from(
    [{"operator": "Exists"}, {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}, {"key": "a", "value": "b"}]
)
affinity = st.just({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
    "nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}]}]
}}})  # fmt: skip
pod_specs = st.builds(
    lambda containers, more: {"containers": containers, "nodeSelector": {"placet.dev/test": "none"}} | more,
    unique(container, "name", min_size=1, max_size=2),
    some(
        tolerations=st.lists(toleration, max_size=2),
        affinity=affinity,
        volumes=unique(volume, "name", max_size=3),
        terminationGracePeriodSeconds=st.integers(1, 60),
        hostNetwork=st.just(False),
        securityContext=st.just({}),
    ),
)


def controller(kind: str) -> st.SearchStrategy[Object]:
    """A Deployment or a StatefulSet."""
    more: dict[str, st.SearchStrategy[Any]] = {
        "replicas": st.integers(0, 3),
        "revisionHistoryLimit": st.integers(0, 5),
        "minReadySeconds": st.integers(0, 5),
    }
    if kind == "StatefulSet":
        claim = st.builds(
            lambda n: {
                "metadata": {"name": n},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}},
            },
            names,
        )
        more |= {"volumeClaimTemplates": st.lists(claim, min_size=1, max_size=1)}
    else:
        rolling = some(maxSurge=st.sampled_from([1, "25%"]), maxUnavailable=st.sampled_from([1, "50%"]))
        more |= {"strategy": st.one_of(st.just({}), st.builds(lambda r: {"rollingUpdate": r}, rolling))}
    return st.builds(
        lambda spec, pod, told: {
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": told,
            "spec": {
                "selector": {"matchLabels": {"app": "x"}},
                "template": {"metadata": {"labels": {"app": "x"}}, "spec": pod},
            } | spec,
        },
        some(**more),
        pod_specs,
        about(),
    )  # fmt: skip


def plain(api_version: str, kind: str, spec: Objects, field: str = "spec") -> Objects:
    """An object of one field."""
    return st.builds(
        lambda content, told: {"apiVersion": api_version, "kind": kind, "metadata": told, field: content}, spec, about()
    )


policy_port = st.builds(lambda p, m: {"port": p} | m, ports, some(protocol=protocols))
rule = some(ports=st.lists(policy_port, max_size=2))
service_port = st.builds(lambda n, p, m: {"name": n, "port": p} | m, names, ports, some(targetPort=ports))
container_limit = st.builds(
    lambda most, more: {"type": "Container", "max": most} | more,
    st.just({"cpu": "2", "memory": "2048Mi"}),
    some(default=st.just({"cpu": "1000m"}), defaultRequest=st.just({"cpu": "0.5"})),
)
claim_limit = st.just({"type": "PersistentVolumeClaim", "max": {"storage": "5120Mi"}})


quota = some(hard=some(pods=st.just("10"), **{"requests.cpu": amounts, "requests.memory": amounts}))
policy = st.builds(
    lambda m: {"podSelector": {}} | m, some(ingress=st.lists(rule, max_size=2), egress=st.lists(rule, max_size=2))
)
service = st.builds(
    lambda p, m: {"ports": p} | m,
    st.lists(service_port, min_size=1, max_size=2, unique_by=(lambda p: p["name"], lambda p: p["port"])),
    some(selector=labels, sessionAffinity=st.just("None"), type=st.sampled_from(["ClusterIP", "NodePort"])),
)
budget = st.builds(
    lambda m: {"selector": {"matchLabels": {"app": "x"}}} | m,
    st.sampled_from([{"minAvailable": 1}, {"maxUnavailable": "25%"}, {"minAvailable": "50%"}]),
)
limits = some(limits=st.lists(st.one_of(container_limit, claim_limit), min_size=1, max_size=1))
KINDS: dict[str, Objects] = {
    "Deployment": controller("Deployment"),
    "StatefulSet": controller("StatefulSet"),
    "ConfigMap": plain("v1", "ConfigMap", labels, "data"),
    "ResourceQuota": plain("v1", "ResourceQuota", quota),
    "LimitRange": plain("v1", "LimitRange", limits),
    "Service": plain("v1", "Service", service),
    "NetworkPolicy": plain("networking.k8s.io/v1", "NetworkPolicy", policy),
    "PodDisruptionBudget": plain("policy/v1", "PodDisruptionBudget", budget),
}


def objects() -> Objects:
    """An object of any of these kinds."""
    return st.one_of(*KINDS.values())


@dataclass(frozen=True)
class Flip:
    """An object, a merge patch that flips one field of it, and where."""

    body: Object
    patch: Object
    path: tuple[str, ...]


_POD = ("spec", "template", "spec")
LEAVES: tuple[tuple[str, tuple[str, ...], Any, Any], ...] = (
    ("Deployment", ("spec", "replicas"), 2, 7),
    ("Deployment", (*_POD, "terminationGracePeriodSeconds"), 5, 99),
    ("Deployment", (*_POD, "tolerations"), [{"operator": "Exists"}], [{"key": "flipped", "operator": "Exists"}]),
    ("Deployment", (*_POD, "nodeSelector"), {"placet.dev/test": "none"}, {"placet.dev/test": "flipped"}),
    ("Deployment", ("spec", "revisionHistoryLimit"), 2, 9),
    ("StatefulSet", ("spec", "replicas"), 2, 7),
    ("ResourceQuota", ("spec", "hard", "pods"), "10", "99"),
    ("PodDisruptionBudget", ("spec", "selector"), {"matchLabels": {"app": "x"}}, {"matchLabels": {"app": "flipped"}}),
    ("NetworkPolicy", ("spec", "ingress"), [{"ports": [{"port": 80}]}], [{"from": [{"podSelector": {}}]}]),
    ("Service", ("spec", "selector"), {"app": "x"}, {"app": "flipped"}),
    ("ConfigMap", ("data", "key"), "before", "flipped"),
    ("ConfigMap", ("metadata", "labels", "key"), "before", "flipped"),
)
"""Kind, path, what is written there first, and what somebody makes of it."""


@st.composite
def flips(draw: st.DrawFn) -> Flip:
    """Any object with a leaf of the table in it, and the flip of that leaf."""
    kind, path, before, after = draw(st.sampled_from(LEAVES))
    body = draw(KINDS[kind])
    body = _set(body, path, before)
    return Flip(body, _set({}, path, after), tuple(f"f:{p}" for p in path))


def _set(body: Object, path: tuple[str, ...], value: Any) -> Object:
    first, rest = path[0], path[1:]
    return body | {first: _set(body.get(first) or {}, rest, value) if rest else value}
