"""Tenants that were promised distance, kept apart by the cluster's own scheduler, which knows what runs where.

An API server sees one pod or one binding, never the neighbours. So `placet-apart-…` writes into every pod of a tenant
that may not stand beside another a required anti-affinity against that other's namespaces, on the node and in the rack,
and refuses whatever would go past it: a pod without it, a pod that names its node, and a binding by anybody but a
scheduler that honours it. Both tenants' pods carry theirs, so either order of arrival is held, and what ran before the
door stood is kept away from too. It selects by namespace alone: no label that a tenant may write helps
(`docs/decisions/0019`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from policies.admission import labels, texts
from policies.admission.lawful import Ground, Tenancy
from policies.admission.manifests import BINDINGS, PODS, Check, Manifest, Watch, mutating, validating

SCHEDULER: Final = "system:kube-scheduler"
"""Who may bind pods of such tenants where nobody else is named."""

_ANTI: Final = "podAntiAffinity"
_TERMS: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_HELD: Final = f"object.spec.?affinity.?{_ANTI}.?{_TERMS}.orValue([])"


@dataclass(frozen=True, slots=True)
class _Term:
    """No pod of these namespaces where `topology` is the same."""

    topology: str
    namespaces: tuple[str, ...]

    @property
    def listed(self) -> str:
        """CEL: the namespaces."""
        return f"[{', '.join(texts.literal(n) for n in self.namespaces)}]"

    @property
    def value(self) -> str:
        """CEL: the term. An empty selector is every pod; an absent one would be none."""
        return (
            f"{{'topologyKey': dyn('{self.topology}'), 'labelSelector': dyn({{}}), 'namespaces': dyn({self.listed})}}"
        )

    @property
    def held(self) -> str:
        """CEL: whether a pod carries it, weakened by nothing."""
        return (
            f"variables.held.exists(t, t.topologyKey == '{self.topology}' && has(t.labelSelector) "
            "&& !has(t.labelSelector.matchLabels) && !has(t.labelSelector.matchExpressions) "
            "&& !has(t.matchLabelKeys) && !has(t.mismatchLabelKeys) "
            f"&& t.?namespaces.orValue([]) == {self.listed})"
        )


def distances(ground: Ground, schedulers: Sequence[str] = (SCHEDULER,), *, steering: bool = True) -> Iterator[Manifest]:
    """The policies for each tenant that may run here and may not stand beside every other.

    Without `steering` nothing is written into pods, and none is asked for.
    """
    for tenancy in ground.tenancies:
        terms = tuple(_terms(tenancy))
        if terms and not tenancy.bars:
            yield _guard(ground, tenancy, schedulers, terms if steering else ())
            if steering:
                yield _steering(ground, tenancy, terms)


def _terms(tenancy: Tenancy) -> Iterator[_Term]:
    if tenancy.off_nodes:
        yield _Term(labels.HOST, tenancy.off_nodes)
    if tenancy.off_racks:
        yield _Term(labels.RACK, tenancy.off_racks)


def name(tenancy: Tenancy) -> str:
    """What the policies of one tenant are called."""
    return f"placet-apart-{tenancy.tenant}"


def _told(ground: Ground, tenancy: Tenancy) -> dict[str, str]:
    return {**labels.told(ground), "placet.dev/tenant": tenancy.tenant}


def _guard(ground: Ground, tenancy: Tenancy, schedulers: Sequence[str], terms: Sequence[_Term]) -> Manifest:
    why = f": tenant-isolation (tenant): needed a scheduler that keeps {tenancy.tenant} off other tenants, found "
    binds = "request.resource.resource == 'bindings' || request.?subResource.orValue('') == 'binding'"
    known = ", ".join(texts.literal(s) for s in schedulers)
    variables = (("what", labels.POD), ("binds", binds), ("held", f"variables.binds ? [] : {_HELD}"))
    asked = " && ".join(t.held for t in terms)
    checks = [
        Check(
            "variables.binds || object.spec.?nodeName.orValue('') == ''",
            f"'placet-apart: ' + variables.what + {texts.literal(why)} + 'one that names its node itself; "
            "leave out spec.nodeName'",
        ),
        Check(
            f"!variables.binds || request.userInfo.username in [{known}]",
            f"'placet-apart: ' + variables.what + {texts.literal(why)} + 'a binding by ' + request.userInfo.username + "
            "'; leave it to the scheduler, or export with `--scheduler`'",
        ),
        *(
            [
                Check(
                    f"variables.binds || ({asked})",
                    f"'placet-apart: ' + variables.what + {texts.literal(why)} + 'no anti-affinity against them; put "
                    "the mutating policies of the export in force'",
                )
            ]
            if terms
            else []
        ),
    ]
    watch = Watch((*PODS, *BINDINGS), namespaces=tenancy.namespaces, variables=variables)
    return validating(name(tenancy), watch, checks, _told(ground, tenancy))


def _steering(ground: Ground, tenancy: Tenancy, terms: Sequence[_Term]) -> Manifest:
    """Adds what is missing to a pod's own affinity, at the deepest place that is there already."""
    missing = " + ".join(f"({t.held} ? [] : [{t.value}])" for t in terms)
    deep = f"/spec/affinity/{_ANTI}/{_TERMS}"
    patch = (
        "variables.missing.size() == 0 ? [] "
        f": !has(object.spec.affinity) ? [{_add('/spec/affinity', _ANTI, _TERMS)}] "
        f": !has(object.spec.affinity.{_ANTI}) ? [{_add(f'/spec/affinity/{_ANTI}', _TERMS)}] "
        f": variables.held.size() == 0 ? [{_add(deep)}] "
        f": variables.missing.map(t, JSONPatch{{op: 'add', path: '{deep}/-', value: t}})"
    )
    watch = Watch(PODS, namespaces=tenancy.namespaces, variables=(("held", _HELD), ("missing", missing)))
    return mutating(name(tenancy), watch, (patch,), _told(ground, tenancy))


def _add(path: str, *inside: str) -> str:
    value = "variables.missing"
    for field in reversed(inside):
        value = f"{{'{field}': {value}}}"
    return f"JSONPatch{{op: 'add', path: '{path}', value: {value}}}"
