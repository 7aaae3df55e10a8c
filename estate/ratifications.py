"""The word by which a law comes into force: rules and profile, by their digests, until a time. Signed by a person."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from estate.identities import Subject
from estate.ids import Digest, InstallationId
from estate.records import Record, Time, doubled


class Ratification(Record):
    """One person takes the rules of these bundles for the law of an installation; or takes their word back."""

    kind: Literal["placet.ratification"] = "placet.ratification"
    v: Literal[1] = 1
    installation: InstallationId
    bundles: tuple[Digest, ...] = Field(min_length=1, max_length=64)
    """Each the digest of all rules and of the numbers of one profile."""
    author: Subject | None = None
    """Who wrote what is not the release's own: they approve nothing that is decided by it. None: nobody here."""
    reason: str = Field(min_length=1, max_length=500)
    """What was looked at, and on what ground it may be the law."""
    valid_until: Time
    revoked: bool = False
    by: Subject
    at: Time

    @model_validator(mode="after")
    def _names_each_once(self) -> Self:
        if twice := doubled(self.bundles):
            raise ValueError(f"bundles: `{twice[0]}` is there twice; keep one")
        return self
