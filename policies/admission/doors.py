"""The law at the door: a cluster's lawful ground as admission policies, so that what others do is governed too.

`placet-lawful-pods` and `placet-lawful-bindings` refuse: by the node's *name* against the names that signed facts
place, so that no forged label helps. `placet-lawful-tenants` refuses where a tenant may run nowhere in the cluster, and
datasets that it may not use there. `placet-steer` puts the label of the lawful site into a pod's nodeSelector, so that
lawful pods do not stay pending. Parameters lie in Placet's own namespace, where no tenant writes; where they are
missing, every pod of a tenant is refused, and nobody else's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from estate.canonical import Json
from estate.errors import BadInput
from policies.admission import identities, labels
from policies.admission.annotations import DATASETS
from policies.admission.lawful import Ground, Tenancy
from policies.admission.manifests import Bound, Check, Manifest, Rule, Watch, binding, manifest, mutating, validating

NODES: Final = "placet-nodes"
LARGEST: Final = 1_000_000
"""Bytes of names in one ConfigMap; the API server refuses 1 MiB."""
COSTLIEST: Final = 1_000_000
"""What the API server lets one expression cost; looking for a name costs a tenth of both lengths, multiplied."""

_PODS: Final = (Rule(("",), ("pods",), ("CREATE",), "Namespaced"),)
_BINDINGS: Final = (Rule(("",), ("pods/binding", "bindings"), ("CREATE",), "Namespaced"),)
_GROUND: Final = (
    ("count", f"params.metadata.annotations['{labels.COUNT}']"),
    ("site", f"params.metadata.annotations['{labels.SITE}']"),
    ("version", f"params.metadata.annotations['{labels.VERSION}']"),
)
_NOT_PLACED: Final = (
    "'placet-lawful: {what} may not run on ' + variables.node + ': facts-complete-workload (facts): needed a node "
    "that signed facts (version ' + variables.version + ') place at ' + variables.site + ', found one that they do "
    "not; have its rack signed, or choose one of the ' + variables.count + ' that they place'"
)


def doors(ground: Ground, *, enforce: bool = True) -> Iterator[Manifest]:
    """Parameters, policies and bindings for `ground`, in the order in which they can be applied.

    Raises:
        BadInput: the nodes do not fit into one ConfigMap.
    """
    lawful = [t for t in ground.tenancies if not t.bars]
    yield _nodes(ground)
    yield from (_tenant(ground, t) for t in ground.tenancies)
    tenants = validating("placet-lawful-tenants", _tenants_watch(), _tenants_checks())
    refusing = _refusing()
    yield from (tenants, *refusing)
    for tenancy in ground.tenancies:
        where = Bound(tenancy.namespaces, params=_named(tenancy))
        yield binding(tenants, f"placet-lawful-tenants-{tenancy.tenant}", where, identities.NAMESPACE, enforce=enforce)
    if lawful:
        where = Bound(tuple(n for t in lawful for n in t.namespaces), params=NODES)
        bound = (*refusing, steering := _steering()) if enforce else refusing
        yield from (steering,) if enforce else ()
        for policy in bound:
            yield binding(policy, _name(policy), where, identities.NAMESPACE, enforce=enforce)


def _nodes(ground: Ground) -> Manifest:
    names = "".join(f"{name}\n" for name in ("# the nodes that signed facts place here", *ground.nodes))
    longest = max((len(n) for n in ground.nodes), default=0)
    if len(names) > LARGEST or len(names) / 10 * (longest / 10 + 1) > COSTLIEST:
        raise BadInput(
            f"cluster `{ground.cluster}`: {len(ground.nodes)} node names of up to {longest} characters are more than "
            "an API server looks through at the door; give the nodes shorter names, or split the cluster"
        )
    told = {
        labels.SITE: ground.site,
        labels.COUNT: str(len(ground.nodes)),
        labels.VERSION: str(ground.version),
        "placet.dev/facts": ground.digest,
    }
    data: Json = {"nodes": names}
    return manifest("v1", "ConfigMap", NODES, namespace=identities.NAMESPACE, told=told, data=data)


def _tenant(ground: Ground, tenancy: Tenancy) -> Manifest:
    told = {"placet.dev/tenant": tenancy.tenant, "placet.dev/facts": ground.digest}
    if tenancy.unheld:
        told["placet.dev/not-held-at-the-door"] = "; ".join(tenancy.unheld)
    data = {
        "cluster": ground.cluster,
        "tenant": tenancy.tenant,
        "refused": "; ".join(str(b) for b in tenancy.bars),
        "datasets": ",".join(tenancy.datasets),
    }
    return manifest("v1", "ConfigMap", _named(tenancy), namespace=identities.NAMESPACE, told=told, data={**data})


def _named(tenancy: Tenancy) -> str:
    return f"placet-tenant-{tenancy.tenant}"


def _name(policy: Manifest) -> str:
    metadata = policy["metadata"]
    assert isinstance(metadata, dict)
    return str(metadata["name"])


def _tenants_watch() -> Watch:
    return Watch(
        rules=(*_PODS, *_BINDINGS),
        params=True,
        variables=(
            (
                "what",
                "request.namespace + '/' + object.metadata.?name.orValue(object.metadata.?generateName.orValue(''))",
            ),
            ("asked", f"object.metadata.?annotations[?'{DATASETS}'].orValue('').split(',').map(d, d.trim())"),
            ("known", "params.data.datasets.split(',')"),
            ("unlawful", "variables.asked.filter(d, d != '' && !(d in variables.known))"),
        ),
    )


def _tenants_checks() -> tuple[Check, ...]:
    return (
        Check(
            "params.data.refused == ''",
            "'placet-lawful: ' + variables.what + ' of ' + params.data.tenant + ' may run nowhere in ' "
            "+ params.data.cluster + ': ' + params.data.refused",
        ),
        Check(
            "params.data.refused != '' || size(variables.unlawful) == 0",
            "'placet-lawful: ' + variables.what + ' names datasets that may not be used in ' + params.data.cluster "
            "+ ': ' + variables.unlawful.join(', ')",
        ),
    )


def _refusing() -> tuple[Manifest, ...]:
    named = "request.namespace + '/' + object.metadata.?name.orValue(object.metadata.?generateName.orValue(''))"
    pods = Watch(_PODS, params=True, variables=(*_GROUND, ("node", "object.spec.?nodeName.orValue('')")))
    bindings = Watch(_BINDINGS, params=True, variables=(*_GROUND, ("node", "object.target.?name.orValue('')")))
    told = _NOT_PLACED.format(what=f"' + {named} + '")
    nowhere = (
        "'placet-lawful: facts-complete-workload (facts): signed facts (version ' + variables.version "
        "+ ') place no node of this cluster at ' + variables.site"
    )
    placed = Check(labels.PLACED.format("variables.node"), told)
    return (
        validating(
            "placet-lawful-pods",
            pods,
            (
                Check("variables.count != '0'", nowhere),
                Check(f"variables.node == '' || {placed.holds}", told),
            ),
        ),
        validating("placet-lawful-bindings", bindings, (placed,)),
    )


def _steering() -> Manifest:
    """Adds to the map key by key: a pod's own nodeSelector stays, a forged site in it does not."""
    watch = Watch(
        _PODS,
        params=True,
        conditions=(("not-bound-yet", "object.spec.?nodeName.orValue('') == ''"),),
        variables=(("site", f"params.metadata.annotations['{labels.SITE}']"),),
    )
    patch = (
        "has(object.spec.nodeSelector) "
        f"? [JSONPatch{{op: 'add', path: '/spec/nodeSelector/{labels.escaped(labels.SITE)}', value: variables.site}}] "
        f": [JSONPatch{{op: 'add', path: '/spec/nodeSelector', value: {{'{labels.SITE}': variables.site}}}}]"
    )
    return mutating("placet-steer", watch, (patch,))
