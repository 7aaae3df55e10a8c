"""What other systems call a thing. Two sources mean one thing when they share a strong alias, and never otherwise."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import StringConstraints

from estate.records import Model


class AliasKind(StrEnum):
    """Who gave the name. The strong ones are unique in the world, or in one provider's part of it."""

    PROVIDER_ID = "provider-id"
    SYSTEM_UUID = "system-uuid"
    SERIAL = "serial"
    UID = "uid"
    """Of a Kubernetes object."""
    GPU_UUID = "gpu-uuid"
    HARDWARE_ADDRESS = "hardware-address"
    """A MAC or a GUID, lower case."""
    DIGEST = "digest"
    ASSET_TAG = "asset-tag"
    NAME = "name"
    """What people or a host name call it."""

    @property
    def strong(self) -> bool:
        """Whether it alone proves that two sources mean one thing."""
        return self not in (AliasKind.ASSET_TAG, AliasKind.NAME)


class Alias(Model):
    """One name with who gave it."""

    kind: AliasKind
    value: Annotated[str, StringConstraints(min_length=1, max_length=512)]

    def __str__(self) -> str:
        return f"{self.kind.value} {self.value}"
