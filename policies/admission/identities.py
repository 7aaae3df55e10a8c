"""Who Placet is in a cluster: one namespace, a reader, a writer and a registrar. The package has the names here."""

from __future__ import annotations

from typing import Final

from policies.admission.manifests import Manifest, manifest

NAMESPACE: Final = "placet-system"
READER: Final = "placet-reader"
WRITER: Final = "placet-writer"
REGISTRAR: Final = "placet-registrar"
"""As whom the gate registers warrants: it may write one role, and nothing into it but warrants."""
OBJECTS: Final = "placet-writer-objects"
"""The role by which the writer applies and deletes objects, bound in each namespace of a tenant."""
BREAK_GLASS: Final = "placet:break-glass"
"""The group that may touch Placet's annotations by hand, where no other is named."""


def username(account: str) -> str:
    """What the API server calls a service account of Placet."""
    return f"system:serviceaccount:{NAMESPACE}:{account}"


def namespace() -> Manifest:
    """The namespace of the accounts and of the law's parameters. No tenant may write in it."""
    return manifest("v1", "Namespace", NAMESPACE)


def accounts() -> tuple[Manifest, ...]:
    """The service accounts, whose tokens are mounted nowhere by themselves."""
    return tuple(
        manifest("v1", "ServiceAccount", name, namespace=NAMESPACE, automountServiceAccountToken=False)
        for name in (READER, WRITER, REGISTRAR)
    )
