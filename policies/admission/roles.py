"""RBAC from the table of `grants`: a ClusterRole and its binding for each of the two accounts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from estate.canonical import Json
from policies.admission import grants, identities
from policies.admission.grants import Grant
from policies.admission.manifests import Manifest, manifest

_RBAC: Final = "rbac.authorization.k8s.io"


def rbac() -> tuple[Manifest, ...]:
    """Namespace, accounts, roles and bindings, in the order in which they can be applied."""
    return (
        identities.namespace(),
        *identities.accounts(),
        *_role(identities.READER, grants.reader()),
        *_role(identities.WRITER, grants.writer()),
    )


def _role(account: str, granted: Iterable[Grant]) -> tuple[Manifest, Manifest]:
    rules: list[Json] = [_rule(g) for g in granted]
    subject: Json = {"kind": "ServiceAccount", "name": account, "namespace": identities.NAMESPACE}
    ref: Json = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": account}
    return (
        manifest(f"{_RBAC}/v1", "ClusterRole", account, rules=rules),
        manifest(f"{_RBAC}/v1", "ClusterRoleBinding", account, roleRef=ref, subjects=[subject]),
    )


def _rule(grant: Grant) -> Json:
    rule: dict[str, Json] = {
        "apiGroups": [grant.group],
        "resources": [*grant.resources],
        "verbs": [*grant.verbs],
    }
    if grant.names:
        rule["resourceNames"] = [*grant.names]
    return rule
