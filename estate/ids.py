"""One type for every identifier, so that a rack is never passed where a node is meant.

Installation-local ids are lower-case slugs; what other systems call the same thing is an `Alias`.
"""

from __future__ import annotations

from typing import Annotated, NewType

from pydantic import StringConstraints

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9.\-]{0,126}[a-z0-9])?$")]
"""Lower-case ASCII letters, digits, dots and hyphens; at most 128 characters."""

Token = Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9\-]{0,62}[a-z0-9])?$")]
"""A slug without dots: safe as one token of a NATS subject."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
"""A SHA-256 digest as `sha256:` and 64 lower-case hexadecimal digits."""

InstallationId = NewType("InstallationId", Token)
SiteId = NewType("SiteId", Token)
RackId = NewType("RackId", Slug)
NodeId = NewType("NodeId", Slug)
ClusterId = NewType("ClusterId", Token)
TenantId = NewType("TenantId", Token)
EntityId = NewType("EntityId", Slug)
DatasetId = NewType("DatasetId", Slug)
WorkloadId = NewType("WorkloadId", Slug)
RegionId = NewType("RegionId", Slug)
RowId = NewType("RowId", Slug)
SubstationId = NewType("SubstationId", Slug)
TransformerId = NewType("TransformerId", Slug)
UpsId = NewType("UpsId", Slug)
GeneratorId = NewType("GeneratorId", Slug)
FeedId = NewType("FeedId", Slug)
PduId = NewType("PduId", Slug)
LoopId = NewType("LoopId", Slug)
CduId = NewType("CduId", Slug)
MachineId = NewType("MachineId", Slug)
"""A machine that may or may not be a node now."""
FabricId = NewType("FabricId", Slug)
SwitchId = NewType("SwitchId", Slug)
LinkId = NewType("LinkId", Slug)
NvlinkDomainId = NewType("NvlinkDomainId", Slug)
StorageId = NewType("StorageId", Slug)
CopyId = NewType("CopyId", Slug)
VolumeId = NewType("VolumeId", Slug)
NetworkId = NewType("NetworkId", Slug)
VirtualMachineId = NewType("VirtualMachineId", Slug)
ContractId = NewType("ContractId", Slug)
ModelServerId = NewType("ModelServerId", Slug)
ComponentId = NewType("ComponentId", Slug)
TemplateId = NewType("TemplateId", Slug)
MachineGroupId = NewType("MachineGroupId", Slug)
HealthCheckId = NewType("HealthCheckId", Slug)
PartId = NewType("PartId", Slug)
TargetId = NewType("TargetId", Slug)
"""Who is asked, or tells: a source, and its target where it has several."""
PriceId = NewType("PriceId", Slug)
OfferId = NewType("OfferId", Slug)
ReservationId = NewType("ReservationId", Slug)
GangId = NewType("GangId", Slug)
ObjectId = NewType("ObjectId", Annotated[str, StringConstraints(min_length=1, max_length=512)])
"""`cluster/apiVersion/kind/namespace/name`; see `estate.manifests.Address`."""
ChannelId = NewType("ChannelId", Token)
ExecutorId = NewType("ExecutorId", Token)
PolicyId = NewType("PolicyId", Slug)
IncidentId = NewType("IncidentId", Token)
ExecutionId = NewType("ExecutionId", Token)
EventId = NewType("EventId", Sha256)
KeyId = NewType("KeyId", Annotated[str, StringConstraints(pattern=r"^(?:ed25519|mldsa44):[0-9a-f]{16}$")])
"""A public key by its algorithm and the first 16 hexadecimal digits of its SHA-256."""
Uid = NewType("Uid", Annotated[str, StringConstraints(min_length=1, max_length=128)])
"""The identity that a thing's own system gave it (a Kubernetes uid, a system UUID)."""
Digest = NewType("Digest", Sha256)

Country = NewType("Country", Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")])
"""ISO 3166-1 alpha-2."""
