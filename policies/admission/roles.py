"""RBAC from the table of `grants`: a ClusterRole and its binding for each account, and the register of warrants.

The writer's role for objects is bound in each namespace that signed facts give a tenant, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from estate.canonical import Json
from estate.ids import ClusterId
from estate.law import Facts
from policies import objects
from policies.admission import grants, identities, registering
from policies.admission.grants import Grant
from policies.admission.lawful import survey
from policies.admission.manifests import Manifest, manifest

_RBAC: Final = "rbac.authorization.k8s.io"


def rbac() -> tuple[Manifest, ...]:
    """Namespace, accounts, roles and bindings, in the order in which they can be applied."""
    return (
        identities.namespace(),
        *identities.accounts(),
        *_role(identities.READER, grants.reader()),
        *_role(identities.WRITER, grants.writer()),
        *_role(identities.REGISTRAR, registering.REGISTRARS),
        *_role(registering.REGISTER, (), identities.WRITER),
        manifest(f"{_RBAC}/v1", "ClusterRole", identities.OBJECTS, rules=[_rule(g) for g in grants.in_tenants()]),
    )


def tenancies(facts: Facts, cluster: ClusterId) -> tuple[Manifest, ...]:
    """The bindings by which the writer may write objects of the tenants in `cluster`; never in a system namespace.

    Raises:
        BadInput: the facts know no such cluster.
    """
    spaces = {n for t in survey(facts, cluster).tenancies for n in t.namespaces if not objects.is_system(n)}
    return tuple(bound_in(space) for space in sorted(spaces))


def bound_in(space: str) -> Manifest:
    """The binding in one namespace."""
    return manifest(
        f"{_RBAC}/v1",
        "RoleBinding",
        identities.OBJECTS,
        namespace=space,
        roleRef={"apiGroup": _RBAC, "kind": "ClusterRole", "name": identities.OBJECTS},
        subjects=[_subject(identities.WRITER)],
    )


def _subject(account: str) -> Json:
    return {"kind": "ServiceAccount", "name": account, "namespace": identities.NAMESPACE}


def _role(name: str, granted: Iterable[Grant], account: str = "") -> tuple[Manifest, Manifest]:
    """A role and its binding to the account, by default that of its name. The rules of one that is granted nothing are
    somebody else's to write, and applying it again leaves them.
    """
    held: list[Json] = [_rule(g) for g in granted]
    ref: Json = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": name}
    role = manifest(f"{_RBAC}/v1", "ClusterRole", name)
    bound = manifest(f"{_RBAC}/v1", "ClusterRoleBinding", name, roleRef=ref, subjects=[_subject(account or name)])
    return ({**role, "rules": held} if held else role), bound


def _rule(grant: Grant) -> Json:
    rule: dict[str, Json] = {
        "apiGroups": [grant.group],
        "resources": [*grant.resources],
        "verbs": [*grant.verbs],
    }
    if grant.names:
        rule["resourceNames"] = [*grant.names]
    return rule
