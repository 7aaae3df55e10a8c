"""ApplyManifest and DeleteObject: one namespaced object that runs nothing and grants nothing, made, changed or removed.

Placet writes what it holds alone. A change says what it expects to find (`before`): nothing, or the very manifest that
Placet applied there; the executor looks before it writes, so a wrong word writes nothing. See `docs/decisions/0015`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from estate.changes.kinds import Footprint, NoInverse, object_thing
from estate.conditions import Condition, Field, observed
from estate.ids import ClusterId, NodeId, ObjectId, WorkloadId
from estate.manifests import Address, Manifest, form_of, unfit
from estate.objects import ABSENT, MADE, Held, Sighting, expected, is_expected
from estate.records import Model
from estate.results import Ok, Refusal, RefusalCode, Result
from estate.snapshots import Snapshot
from estate.things import Thing

if TYPE_CHECKING:
    from estate.changes import Change


class _ObjectChange(Model):
    cluster: ClusterId
    before: Held | None

    @property
    def address(self) -> Address:
        """Which object."""
        raise NotImplementedError

    def target(self) -> Thing:
        return object_thing(self.address)

    def preconditions(self, snapshot: Snapshot) -> tuple[Condition, ...]:
        """What the change itself expects: the decision read nothing else of the object."""
        uid, value = expected(self.before)
        return (Condition(about=self.target(), uid=uid, field=Field.FORM, equals=value),)

    def postconditions(self, after: Snapshot) -> tuple[Condition, ...]:
        return observed(after, self.target(), Field.FORM)

    def disrupts(self, snapshot: Snapshot) -> dict[WorkloadId, int]:
        return {}

    def footprint(self, snapshot: Snapshot) -> Footprint:
        owner = snapshot.facts.tenant_of.get((self.cluster, self.address.namespace))
        return Footprint(tenants=(owner,) if owner else ())

    def wanted_watts(self, snapshot: Snapshot) -> dict[NodeId, int]:
        return {}

    def _seen(self, snapshot: Snapshot, sighting: Sighting) -> Result[Snapshot]:
        """The estate with that sighting, unless what is known to be there is not what was expected."""
        seen = snapshot.object(sighting.id)
        refusal = _unexpected(seen, self.before) if seen is not None else None
        return refusal or Ok(snapshot.with_object(sighting))


class ApplyManifest(_ObjectChange):
    """Make an object (`before` left out), or change the one that Placet applied before."""

    kind: Literal["ApplyManifest"] = "ApplyManifest"
    manifest: Manifest
    before: Held | None = None

    @property
    def address(self) -> Address:
        return Address.of(self.cluster, self.manifest)

    @model_validator(mode="after")
    def _speaks_of_one_object(self) -> Self:
        if self.before is not None and Address.of(self.cluster, self.before.manifest) != self.address:
            raise ValueError("before: it is another object than the manifest's; name the same one")
        return self

    def describe(self) -> str:
        where = self.address
        verb = "make" if self.before is None else "change"
        return f"{verb} {where.kind} {where.namespace}/{where.name} in {where.cluster}"

    def effect(self, snapshot: Snapshot) -> Result[Snapshot]:
        if why := unfit(self.manifest):
            return Refusal(code=RefusalCode.NOT_SUPPORTED, about=str(self.target()), message=f"`{self.address}`: {why}")
        uid = MADE if self.before is None else self.before.uid
        made = Sighting(id=ObjectId(str(self.address)), uid=uid, form=form_of(self.manifest))
        return self._seen(snapshot, made)

    def inverse(self, snapshot: Snapshot) -> Change | NoInverse:
        if self.before is None:
            return DeleteObject(cluster=self.cluster, before=Held(manifest=self.manifest))
        left = Held(uid=self.before.uid, manifest=self.manifest)
        return ApplyManifest(cluster=self.cluster, manifest=self.before.manifest, before=left)


class DeleteObject(_ObjectChange):
    """Delete an object that Placet applied and that nobody else holds content of."""

    kind: Literal["DeleteObject"] = "DeleteObject"
    before: Held

    @property
    def address(self) -> Address:
        return Address.of(self.cluster, self.before.manifest)

    def describe(self) -> str:
        where = self.address
        return (
            f"delete {where.kind} {where.namespace}/{where.name} in {where.cluster} (an undo makes a new one like it)"
        )

    def effect(self, snapshot: Snapshot) -> Result[Snapshot]:
        return self._seen(snapshot, Sighting(id=ObjectId(str(self.address))))

    def inverse(self, snapshot: Snapshot) -> Change | NoInverse:
        return ApplyManifest(cluster=self.cluster, manifest=self.before.manifest)


def _unexpected(seen: Sighting, before: Held | None) -> Refusal | None:
    """Why what is there is not what the change expects."""
    uid, value = expected(before)
    if before is not None and not seen.there:
        return _refused(seen, RefusalCode.UNKNOWN_TARGET, "is gone; leave `before` out to make it anew")
    if seen.others:
        return _refused(seen, RefusalCode.OTHER_MANAGER, f"is {seen.value}, which is never overruled; change it there")
    if before is None:
        why = "is there already; say in `before` what was applied, or choose another name"
        return _refused(seen, RefusalCode.PRECONDITION_FAILED, why) if seen.uid != ABSENT else None
    if not is_expected(seen.uid, uid):
        return _refused(seen, RefusalCode.UID_CHANGED, "was replaced (another uid); decide again")
    return None if seen.value == value else _refused(seen, RefusalCode.PRECONDITION_FAILED, "is not as `before` says")


def _refused(seen: Sighting, code: RefusalCode, why: str) -> Refusal:
    return Refusal(code=code, about=f"object/{seen.id}", message=f"`{seen.id}` {why}")
