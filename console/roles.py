"""The roles that an installation is taken apart into, and the record that says for which a directory was issued.

A role's name is also its NATS user's, its PostgreSQL user's and its directory's. Written by `console.issuing`, read by
`console.state`; a directory without the record is a whole installation, as `placet init` makes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from estate.errors import BadInput
from estate.ids import ExecutorId, InstallationId
from estate.records import Record

EXECUTOR = "executor-"
SERVERS = ("nats", "postgres")
"""Directories for the servers that everybody meets at; no process of ours runs on them."""


class RoleRecord(Record):
    """For whom a directory was issued."""

    kind: Literal["placet.role"] = "placet.role"
    v: Literal[1] = 1
    installation: InstallationId
    name: str
    facts_version: int
    """The law base that was in force then: no older one is believed."""

    @property
    def process(self) -> str | None:
        """The process that runs on it; None for the directory of people."""
        if self.name.startswith(EXECUTOR):
            return "executor"
        return None if self.name == "client" else self.name

    @property
    def executor(self) -> ExecutorId | None:
        """The one executor that runs on it."""
        found = self.name.removeprefix(EXECUTOR)
        return ExecutorId(found) if found != self.name else None


@dataclass(frozen=True, slots=True)
class Needs:
    """What a role cannot work without. Whatever is not named here is not in its directory."""

    keys: tuple[str, ...] = ()
    """Private keys: of what it signs, and of nothing else."""
    law: bool = False
    """The signed facts, and what a new twin starts with."""
    ledger: bool = False
    checkpoints: bool = False
    channels: bool = False
    """Which channels there are, and the clusters and the tenant of each."""
    tokens: bool = False
    """By what a sender on each channel is known."""


_EXECUTOR = Needs(law=True, ledger=True)
_NEEDS: Mapping[str, Needs] = {
    "gate": Needs(keys=("gate",), ledger=True),
    "inventory": Needs(law=True),
    "agent": Needs(checkpoints=True, channels=True),
    "console": Needs(keys=("ledger",), ledger=True, channels=True, tokens=True),
    "client": Needs(),
}


def needs(role: str) -> Needs:
    """What that role needs. Only the console signs for the ledger: it alone exports it."""
    return _EXECUTOR if role.startswith(EXECUTOR) else _NEEDS[role]


def roles(executors: tuple[ExecutorId, ...]) -> tuple[str, ...]:
    """Every role of an installation with these executors, those of the servers last."""
    processes = ("gate", *(f"{EXECUTOR}{e}" for e in executors), "inventory", "agent", "console", "client")
    return (*processes, *SERVERS)


def known(names: tuple[str, ...], executors: tuple[ExecutorId, ...]) -> tuple[str, ...]:
    """These roles, or all of them where none is named. Raises BadInput for one that there is not."""
    every = roles(executors)
    strange = next((n for n in names if n not in every), None)
    if strange is not None:
        raise BadInput(f"there is no role `{strange}` here; there are {', '.join(every)}")
    return names or every
