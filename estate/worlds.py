"""The files people write: `Facts` (signed; in `estate.law`), `World`, `EstateFile`, `ChangeFile`; and, for a decision
without a system, `ProposalFile` and `HistoryFile`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from estate.changes import Change
from estate.hardware import Node
from estate.identities import Role
from estate.ids import PolicyId, TenantId
from estate.items import Item
from estate.modes import Mode, Scope
from estate.records import Model, Record, Time, doubled, later
from estate.uses.clusters import MachineGroup
from estate.uses.running import Maker
from estate.words import Word
from estate.workloads import Workload


class World(Record):
    """Nodes and workloads as they are observed at the start of a twin."""

    kind: Literal["placet.world"] = "placet.world"
    v: Literal[1] = 1
    nodes: tuple[Node, ...]
    workloads: tuple[Workload, ...] = ()
    machine_groups: tuple[MachineGroup, ...] = later(())
    """Whose machines a twin makes at once, and no node of them."""

    @model_validator(mode="after")
    def _names_each_thing_once(self) -> World:
        for field, ids in (
            ("nodes", [str(n.id) for n in self.nodes]),
            ("workloads", [str(w.id) for w in self.workloads]),
            ("machine_groups", [str(g.id) for g in self.machine_groups]),
        ):
            if twice := doubled(ids):
                raise ValueError(f"{field}: `{twice[0]}` is there twice; keep one")
        return self


class EstateFile(Record):
    """Facilities, fabrics, hardware, promises and prices, as people declare them. An estate may have many of them."""

    kind: Literal["placet.estate"] = "placet.estate"
    v: Literal[1] = 1
    declared_at: Time | None = None
    """When this was so. None: the time of the file."""
    items: tuple[Item, ...]

    @model_validator(mode="after")
    def _names_each_thing_once(self) -> EstateFile:
        if twice := doubled([str(i.ref) for i in self.items]):
            raise ValueError(f"items: `{twice[0]}` is there twice; keep one")
        return self


class ChangeFile(Record):
    """Changes that a person wrote, in order, for `placet propose -f`."""

    kind: Literal["placet.change-file"] = "placet.change-file"
    v: Literal[1] = 1
    summary: str = Field(min_length=1, max_length=2000)
    changes: tuple[Change, ...] = Field(min_length=1, max_length=256)


class GivenWord(Model):
    """What a person said to a proposal, as whoever wrote the file vouches for."""

    person: str = Field(min_length=1, max_length=200)
    roles: tuple[Role, ...] = Field(min_length=1)
    tenants: tuple[TenantId, ...] = ()
    """For whom they speak."""
    human: str = Field(default="", max_length=200)
    """The natural person, where it is one of several accounts of theirs."""
    word: Word = Word.APPROVE


class ProposalFile(Record):
    """A proposal to be judged without a system: who stands behind it, what it changes, and who said what to it."""

    kind: Literal["placet.proposal-file"] = "placet.proposal-file"
    v: Literal[1] = 1
    summary: str = Field(default="judged from a file", max_length=2000)
    changes: tuple[Change, ...] = Field(min_length=1, max_length=256)
    person: str = Field(default="", max_length=200)
    """On whose behalf; empty: an incident's, on nobody's."""
    person_roles: tuple[Role, ...] = (Role.REQUESTER,)
    """What that person may do now; empty: they are enrolled no more."""
    for_tenants: tuple[TenantId, ...] = ()
    """The tenants for whom that person speaks; empty: for the installation."""
    words: tuple[GivenWord, ...] = Field(default=(), max_length=100)
    made_by: tuple[Maker, ...] = Field(default=(), max_length=256)
    """The agent (called `agent`), model and tools that had a part in it, to be held to their registrations; empty:
    nobody is asked for one."""


class InFlight(Model):
    """Changes that were permitted and have not ended: their effects count before anything else."""

    permitted_at: Time
    changes: tuple[Change, ...] = Field(min_length=1, max_length=256)


class Decided(Model):
    """Changes that were permitted and have ended: they count in the breakers until the window has passed."""

    permitted_at: Time
    changes: tuple[Change, ...] = Field(min_length=1, max_length=256)


class GivenException(Model):
    """An exception to a rule, as whoever wrote the file vouches for it."""

    rule: PolicyId
    scope: Scope = Scope()
    target: str = Field(default="", max_length=600)
    by: str = Field(min_length=1, max_length=200)
    valid_until: Time


class GivenGlass(Model):
    """Broken glass, as whoever wrote the file vouches for it."""

    scope: Scope = Scope()
    by: str = Field(min_length=1, max_length=200)
    seconded_by: str = Field(min_length=1, max_length=200)
    seconded_at: Time
    """It is in force for an hour from then."""


class HistoryFile(Record):
    """What was decided before, and what is in force."""

    kind: Literal["placet.history"] = "placet.history"
    v: Literal[1] = 1
    in_flight: tuple[InFlight, ...] = Field(default=(), max_length=1000)
    decided: tuple[Decided, ...] = Field(default=(), max_length=100_000)
    frozen: tuple[Scope, ...] = Field(default=(), max_length=1000)
    """What a freeze covers: a site, a tenant, both, or everything."""
    mode: Mode = Mode.AUTOMATIC
    exceptions: tuple[GivenException, ...] = Field(default=(), max_length=1000)
    broken_glass: tuple[GivenGlass, ...] = Field(default=(), max_length=100)
