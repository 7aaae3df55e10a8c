"""What was seen at an object's place, and what a change expects to find there.

A snapshot knows only those objects that somebody looked at: decisions are laid out on what a change *expects*, and the
executor looks before it writes. Nothing observed of an object is ever a fact. Pure.
"""

from __future__ import annotations

from typing import Final

from pydantic import Field

from estate.canonical import digest_of
from estate.ids import Digest, ObjectId, Uid
from estate.manifests import Form, Manifest
from estate.manifests import digest_of as digest_of_manifest
from estate.records import Model

ABSENT: Final = Uid("absent")
"""The uid of what is not there."""
MADE: Final = Uid("made-by-placet")
"""The uid of what a step has made, before anybody knows what its cluster calls it. Any present uid fits it."""


class Held(Model):
    """What Placet holds of an object that is there: the manifest that it applied, and the uid of the cluster."""

    uid: Uid = MADE
    """Left out only in the undo of a creation: the object is known by the mark of the step that made it."""
    manifest: Manifest


class Sighting(Model):
    """An object's place, as somebody saw it."""

    id: ObjectId
    uid: Uid = ABSENT
    form: Form | None = None
    """What Placet holds of it; None where nothing is there."""
    others: tuple[str, ...] = Field(default=())
    """Field managers that hold content of it too: then it is not Placet's to write."""

    ending: bool = False
    """It is being deleted, and something still holds it."""

    @property
    def there(self) -> bool:
        """Whether anything is."""
        return self.uid != ABSENT

    @property
    def value(self) -> str | None:
        """What a condition compares: the digest of what Placet alone holds, or why it is not Placet's."""
        if self.ending:
            return "being deleted"
        if self.others:
            return f"held by {', '.join(self.others)}"
        return digest_of(self.form) if self.form is not None else None


def expected(before: Held | None) -> tuple[Uid, Digest | None]:
    """The uid and the value that a change expects to find."""
    return (ABSENT, None) if before is None else (before.uid, digest_of_manifest(before.manifest))


def is_expected(seen: Uid, wanted: Uid) -> bool:
    """Whether an object of uid `seen` is the one that is meant."""
    return seen == wanted or (wanted == MADE and seen != ABSENT)
