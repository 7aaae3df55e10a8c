"""What work is attached to beside its node: storage and networks, by the names that its cluster gives them.

Read off pod templates by `tools.kubernetes.attaching`, and named by signed facts (`estate.law.belongings`) where no
namespace says whose they are. Which of them a tenant may be attached to is law, and never said here. Pure.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import StringConstraints

from estate.records import Model

CLAIM: Final = "claim"
"""A PersistentVolumeClaim."""
DEFINITION: Final = "network-attachment"
"""A NetworkAttachmentDefinition."""
NAMESPACE: Final = "namespace"
"""The pods of a namespace, as a network policy names them."""
WITHIN: Final = frozenset({CLAIM, DEFINITION})
"""What lies in a namespace: the one that is named, else that of the work itself."""


class AttachmentSort(StrEnum):
    """What work is attached to."""

    STORAGE = "storage"
    NETWORK = "network"


class Attachment(Model):
    """One volume, share or network that every replica of a workload is attached to."""

    sort: AttachmentSort
    kind: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9\-]{0,62}$")]
    """`claim`, `nfs`, `storage-class`, `network-attachment`, …"""
    name: Annotated[str, StringConstraints(max_length=512)] = ""
    namespace: Annotated[str, StringConstraints(max_length=63)] = ""
    """Where it lies, of what lies in a namespace; empty: in that of the work, wherever it is copied to."""

    def within(self, own: str) -> str:
        """The namespace that it lies in, for work in the namespace `own`; empty where it lies in none."""
        if self.kind == NAMESPACE:
            return self.name
        return (self.namespace or own) if self.kind in WITHIN else ""

    def called(self, own: str) -> str:
        """Its name in its cluster, as facts write it: `claim/team-a/data`, `nfs/10.0.0.7/lake`."""
        where = self.within(own) if self.kind in WITHIN else ""
        return "/".join(part for part in (self.kind, where, self.name) if part)
