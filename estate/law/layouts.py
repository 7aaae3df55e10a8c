"""Partition layouts: what the words mean by which a cluster's partition manager is told how to cut accelerators.

They are signed facts, one for each configuration of the GPU operator's config map (`mig-configs`) that Placet may ask
for, in its words. Whoever changes the map has the facts signed anew: nobody guesses what a name comes to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from estate.records import Model, doubled

LayoutName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")]
"""A label's value."""


class Slices(Model):
    """So many slices of one size."""

    profile: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.+\-]{0,62}$")]
    """The vendor's word for it: `1g.10gb`."""
    count: int = Field(ge=1, le=64)


class Cut(Model):
    """What becomes of some accelerators of a node."""

    devices: tuple[Annotated[int, Field(ge=0, le=63)], ...] = Field(default=(), max_length=64)
    """By their maker's numbers on the node; none: each of them (`devices: all`)."""
    slices: tuple[Slices, ...] = Field(default=(), max_length=16)
    """Of each of these; none: it is whole (`mig-enabled: false`)."""

    @property
    def profiles(self) -> tuple[str, ...]:
        """Every slice by its size, sorted."""
        return tuple(sorted(s.profile for s in self.slices for _ in range(s.count)))


class Layout(Model):
    """One configuration, by its name in the operator's config map."""

    name: LayoutName
    cuts: tuple[Cut, ...] = Field(min_length=1, max_length=64)

    @model_validator(mode="after")
    def _says_one_thing_of_each(self) -> Self:
        if len(self.cuts) > 1 and any(not c.devices for c in self.cuts):
            raise ValueError("cuts: one that is of every accelerator stands alone; name the `devices` of each")
        if twice := doubled(str(d) for c in self.cuts for d in c.devices):
            raise ValueError(f"cuts: accelerator `{twice[0]}` is cut twice; keep one")
        return self

    def of(self, accelerators: int) -> tuple[tuple[str, ...], ...] | None:
        """The slices of each accelerator of a node with so many; None where it does not say just that."""
        if not self.cuts[0].devices:
            return (self.cuts[0].profiles,) * accelerators
        said: Mapping[int, tuple[str, ...]] = {d: c.profiles for c in self.cuts for d in c.devices}
        return tuple(said[n] for n in range(accelerators)) if sorted(said) == list(range(accelerators)) else None


def written(profiles: Sequence[str]) -> str:
    """Slices of one accelerator in words: `1g.10gb×7`, or `whole`."""
    return " + ".join(f"{p}×{n}" for p, n in sorted(Counter(profiles).items())) or "whole"
