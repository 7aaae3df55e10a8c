"""The law at the door: a cluster's lawful ground as admission policies, so that what others do is governed too.

`placet-lawful-pods` and `placet-lawful-bindings` refuse: by the node's *name* against the names that signed facts
place, so that no forged label helps. `placet-tenant-…` refuses where a tenant may run nowhere in the cluster, and
datasets that it may not use there. `placet-steer` puts the label of the lawful site into a pod's nodeSelector, so that
lawful pods do not stay pending. Who may not stand beside whom is in `distances`. The law stands in the policies
themselves: there are no parameters that could be missing, stale, or somebody else's to write (`docs/decisions/0011`).
"""

from __future__ import annotations

from collections.abc import Iterator

from policies.admission import labels, texts
from policies.admission.annotations import DATASETS
from policies.admission.lawful import Ground, Tenancy
from policies.admission.manifests import BINDINGS, PODS, Check, Manifest, Watch, mutating, validating


def doors(ground: Ground) -> Iterator[Manifest]:
    """The policies for `ground`: one a tenant, and those for the nodes of whoever may be there at all.

    Raises:
        BadInput: the nodes are more than an API server looks through.
    """
    yield from (_tenant(ground, t) for t in ground.tenancies)
    lawful = tuple(sorted(n for t in ground.tenancies if not t.bars for n in t.namespaces))
    if lawful:
        yield _pods(ground, lawful)
        yield _bindings(ground, lawful)
        yield _steering(ground, lawful)


def _tenant(ground: Ground, tenancy: Tenancy) -> Manifest:
    watch = Watch((*PODS, *BINDINGS), namespaces=tenancy.namespaces, variables=(("what", labels.POD),))
    told = {**labels.told(ground), "placet.dev/tenant": tenancy.tenant}
    if tenancy.unheld:
        told["placet.dev/not-held-at-the-door"] = "; ".join(tenancy.unheld)
    check = _nowhere(ground, tenancy) if tenancy.bars else _datasets(ground, tenancy)
    return validating(f"placet-tenant-{tenancy.tenant}", watch, (check,), told)


def _nowhere(ground: Ground, tenancy: Tenancy) -> Check:
    why = f" of {tenancy.tenant} may run nowhere in {ground.cluster}: {'; '.join(str(b) for b in tenancy.bars)}"
    return Check("false", f"'placet-lawful: ' + variables.what + {texts.literal(why)}")


def _datasets(ground: Ground, tenancy: Tenancy) -> Check:
    known = ", ".join(texts.literal(d) for d in ("", *tenancy.datasets))
    asked = f"object.metadata.?annotations[?'{DATASETS}'].orValue('').split(',').map(d, d.trim())"
    unlawful = f"{asked}.filter(d, !(d in [{known}]))"
    why = f" names datasets that may not be used in {ground.cluster}: "
    return Check(
        f"size({unlawful}) == 0",
        f"'placet-lawful: ' + variables.what + {texts.literal(why)} + {unlawful}.join(', ')",
    )


def _pods(ground: Ground, namespaces: tuple[str, ...]) -> Manifest:
    names = texts.Names.of(ground.nodes)
    variables = (("node", "object.spec.?nodeName.orValue('')"), *names.variables)
    checks = [Check(f"variables.node == '' || {names.hold('variables.node')}", _unplaced(ground))]
    if not ground.nodes:
        why = f"signed facts (version {ground.version}) place no node of {ground.cluster} at {ground.site}"
        checks = [Check("false", texts.literal(f"placet-lawful: facts-complete-workload (facts): {why}"))]
    watch = Watch(PODS, namespaces=namespaces, variables=variables)
    return validating("placet-lawful-pods", watch, checks, labels.told(ground))


def _bindings(ground: Ground, namespaces: tuple[str, ...]) -> Manifest:
    names = texts.Names.of(ground.nodes)
    variables = (("node", "object.target.?name.orValue('')"), *names.variables)
    watch = Watch(BINDINGS, namespaces=namespaces, variables=variables)
    check = Check(names.hold("variables.node"), _unplaced(ground))
    return validating("placet-lawful-bindings", watch, (check,), labels.told(ground))


def _unplaced(ground: Ground) -> str:
    """CEL for what is said of a node that no fact places: policy, axis, needed, found and what to do."""
    why = (
        f": facts-complete-workload (facts): needed a node that signed facts (version {ground.version}) place at "
        f"{ground.site}, found one that they do not; have its rack signed, or choose one of the {len(ground.nodes)} "
        "that they place"
    )
    return f"'placet-lawful: ' + {labels.POD} + ' may not run on ' + variables.node + {texts.literal(why)}"


def _steering(ground: Ground, namespaces: tuple[str, ...]) -> Manifest:
    """Adds to the map key by key: a pod's own nodeSelector stays, a forged site in it does not."""
    unbound = (("not-bound-yet", "object.spec.?nodeName.orValue('') == ''"),)
    path, site = f"/spec/nodeSelector/{labels.escaped(labels.SITE)}", texts.literal(ground.site)
    patch = (
        "has(object.spec.nodeSelector) "
        f"? [JSONPatch{{op: 'add', path: '{path}', value: {site}}}] "
        f": [JSONPatch{{op: 'add', path: '/spec/nodeSelector', value: {{'{labels.SITE}': {site}}}}}]"
    )
    watch = Watch(PODS, namespaces=namespaces, conditions=unbound)
    return mutating("placet-steer", watch, (patch,), labels.told(ground))
