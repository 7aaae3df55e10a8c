"""The writes: server-side apply and merge patch as compare-and-swap, with the step's mark in the very same write.

Called with an object as it was just read; the write carries that read's resourceVersion and is refused by the API
server when anything changed since, which `Outrun` says. A conflict with another field manager is a refusal that names
it. Force is used against nobody but our own earlier entry, which a merge patch of ours leaves behind, and for our own
annotations: else whoever may annotate a node could keep it from being fenced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from estate.errors import RetryLater
from estate.results import Refusal, RefusalCode
from tools.execution.kubernetes import keys
from tools.kubernetes import applied, connecting, faults, ownership
from tools.kubernetes.connecting import Connection, Object
from tools.kubernetes.resources import Resource

_OUR_ANNOTATIONS = ".metadata.annotations.placet.dev/"


class Outrun(RetryLater):
    """The object changed between our read and our write; read it again, check again, write again."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where an object lives in the API."""

    resource: Resource
    name: str
    namespace: str = ""

    @property
    def path(self) -> str:
        """The path of the object."""
        return self.resource.path(self.namespace, self.name)

    def __str__(self) -> str:
        return f"{self.resource.kind} {f'{self.namespace}/' if self.namespace else ''}{self.name}"


@dataclass(frozen=True, slots=True)
class Found:
    """An object as it was read, and the connection that read it."""

    connection: Connection
    address: Address
    raw: Object

    @property
    def uid(self) -> str:
        """The uid that its cluster gave it."""
        return str(self.raw["metadata"]["uid"])

    @property
    def version(self) -> str:
        """The resourceVersion of the read."""
        return str(self.raw["metadata"]["resourceVersion"])


async def find(connection: Connection, address: Address) -> Found | None:
    """A live read; None when it is not there."""
    try:
        return Found(connection, address, await connection.request("GET", address.path))
    except faults.NotFound:
        return None


async def apply(
    found: Found, mark: str, held: Mapping[str, Any], *, dry_run: bool = False, remember: bool = True
) -> Found | Refusal:
    """Server-side apply of `held` (all that we shall hold of the object but the mark) under the mark.

    The object remembers what was applied (`tools.kubernetes.applied`), unless this is the last thing it hears.

    Raises:
        Outrun: the object changed since it was read.
        RetryLater: a passing fault; whether it was written is unknown, and the mark tells.
    """
    resource = found.address.resource
    body = dict(held) | {"apiVersion": resource.api_version, "kind": resource.kind}
    body["metadata"] = _about(found, mark, _told(held, remember=remember), dry_run)
    try:
        return await _patch(found, body, connecting.APPLY, dry_run)
    except faults.OtherManager as conflict:
        if not _ours(conflict):
            return held_by(found.address, conflict.managers, *conflict.fields)
        return await _patch(found, body, connecting.APPLY, dry_run, force=True)


async def create(
    connection: Connection,
    address: Address,
    mark: str,
    held: Mapping[str, Any],
    *,
    dry_run: bool = False,
    remember: bool = True,
) -> Found | Refusal:
    """Server-side apply of an object that was not there. Raises as `apply`, but never Outrun: whoever made it in the
    same moment stands beside us in the answer's managedFields.
    """
    resource = address.resource
    told = _told(held, remember=remember)
    annotations = dict(told["annotations"]) | {keys.WARRANT: mark}
    about = dict(told) | {"name": address.name, "namespace": address.namespace, "annotations": annotations}
    body = dict(held) | {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": about}
    nothing = Found(connection, address, {})
    try:
        return await _patch(nothing, body, connecting.APPLY, dry_run)
    except faults.OtherManager as conflict:
        return held_by(address, conflict.managers, *conflict.fields)


async def merge(
    found: Found,
    mark: str,
    change: Mapping[str, Any],
    *,
    told: Mapping[str, str] | None = None,
    part: str = "",
    dry_run: bool = False,
) -> Found | Refusal:
    """A merge patch under the mark, for lists that many managers write and no apply can share; `told` are annotations
    of ours beside it, `part` is a subresource. Raises as `apply`.
    """
    body = dict(change) | {"metadata": _about(found, mark, {"annotations": told or {}}, dry_run)}
    return await _patch(found, body, connecting.MERGE, dry_run, part=part)


def held_by(address: Address, managers: tuple[str, ...], *fields: str) -> Refusal:
    """The refusal that names the other manager."""
    names, what = ", ".join(f"`{m}`" for m in managers), ", ".join(fields) or "it"
    return Refusal(
        code=RefusalCode.OTHER_MANAGER,
        about=str(address),
        message=f"{what} of {address} is held by the field manager {names}, which is never overruled; change it there,"
        " or have it give the field up",
    )


def refused(address: Address, error: Exception) -> Refusal:
    """The refusal of a write that can never succeed as it is: invalid, or a rule of the cluster says no."""
    return Refusal(code=RefusalCode.FAULT, about=str(address), message=f"{address} was not written: {error}")


def gone(address: Address) -> Refusal:
    """The refusal of a write to what is not there any more."""
    return Refusal(code=RefusalCode.UNKNOWN_TARGET, about=str(address), message=f"{address} is gone; decide again")


def _ours(conflict: faults.OtherManager) -> bool:
    """Whether nothing but our own entry, or our own annotations, stands against an apply."""
    fields = conflict.fields
    return set(conflict.managers) == {ownership.MANAGER} or (
        bool(fields) and all(f.startswith(_OUR_ANNOTATIONS) for f in fields)
    )


def _told(held: Mapping[str, Any], *, remember: bool = True) -> Object:
    """The metadata that we shall hold, with what we apply beside it."""
    about = dict(held.get("metadata") or {})
    others = {k: v for k, v in (about.get("annotations") or {}).items() if k != applied.ANNOTATION}
    return about | {"annotations": others | (applied.remembered(held) if remember else {})}


def _about(found: Found, mark: str, held: Mapping[str, Any], dry_run: bool) -> Object:
    """The metadata of a write. A dry run is of the newest object, whatever was read: it changes nothing."""
    annotations = dict(held.get("annotations") or {}) | {keys.WARRANT: mark}
    about: Object = dict(held) | {"name": found.address.name, "annotations": annotations}
    if found.address.namespace:
        about["namespace"] = found.address.namespace
    return about if dry_run else about | {"resourceVersion": found.version}


async def _patch(
    found: Found, body: Object, form: str, dry_run: bool, *, force: bool = False, part: str = ""
) -> Found | Refusal:
    query: dict[str, str | int | bool] = {"fieldManager": ownership.MANAGER}
    query |= {"dryRun": "All"} if dry_run else {}
    query |= {"force": True} if force else {}
    address = found.address
    try:
        path = f"{address.path}/{part}" if part else address.path
        answer = await found.connection.request("PATCH", path, query, body, content_type=form)
    except faults.OtherManager:
        raise
    except faults.Conflicted as error:
        raise Outrun(f"{address} changes faster than it can be written ({error})") from error
    except faults.NotFound:
        return gone(address)
    except faults.Unauthenticated as error:
        raise RetryLater(str(error)) from error
    except (faults.Rejected, faults.Forbidden) as error:
        return refused(address, error)
    return Found(found.connection, address, answer)
