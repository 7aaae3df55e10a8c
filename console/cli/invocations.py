"""What every command shares: where the installation is, who speaks, how answers are written, what failure means."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from estate.errors import BadInput, Denied, PlacetError, RetryLater

if TYPE_CHECKING:
    from console.config import Config
    from console.door.client import DoorClient
    from console.door.commands import Command, Reply
    from console.state import StateDirectory


class Output(StrEnum):
    """How data is written on stdout."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"
    """Names only, one a line."""
    WIDE = "wide"
    """A table with every field."""

    @property
    def tabular(self) -> bool:
        """Whether it is told to a person, in tables and lines."""
        return self in {Output.TABLE, Output.WIDE}


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="How to write the answer.")]


@dataclass(frozen=True, slots=True)
class Invocation:
    """The options before the command."""

    state_dir: Path | None = None
    config_file: Path | None = None
    speaker: str | None = None
    nats_url: str | None = None

    def state(self) -> StateDirectory:
        """The state directory that this call is about."""
        from console.state import StateDirectory, default_root

        told = self.state_dir or (Path(d) if (d := os.environ.get("PLACET_STATE_DIR")) else None)
        return StateDirectory(told or default_root())

    def settings(self, **flags: str | int | None) -> Config:
        """The configuration in force: flags, then PLACET_*, then the file, then the defaults."""
        from console import config

        told = self.config_file or (Path(c) if (c := os.environ.get("PLACET_CONFIG")) else None)
        usual = self.state().config_path
        file = told or (usual if usual.exists() else None)
        return config.load(file, os.environ, {"nats_url": self.nats_url, **flags})

    def who(self) -> str | None:
        """The identity named on the command line or in the environment."""
        return self.speaker or os.environ.get("PLACET_AS") or None

    @asynccontextmanager
    async def door(self) -> AsyncIterator[DoorClient]:
        """A client of the running system, speaking as this identity."""
        from console import identities
        from console.visiting import visiting

        state = self.state()
        identity = identities.load(state, self.who())
        async with visiting(state, self.settings(), identity) as client:
            yield client


class Failed(PlacetError):
    """A reply that is not ok; carries its exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


@contextmanager
def as_written() -> Iterator[None]:
    """Around what is made of a person's own words: what does not fit is their mistake, not ours. Raises BadInput."""
    from pydantic import ValidationError

    from estate.records import explain

    try:
        yield
    except ValidationError as error:
        raise BadInput(f"{explain(error)}; see `--help`") from error


def given(context: typer.Context) -> Invocation:
    """The options that came before the command."""
    found = context.obj
    assert isinstance(found, Invocation)
    return found


def run[T](work: Callable[[], Awaitable[T]]) -> T:
    """Run a command's coroutine to its end."""
    import asyncio

    async def whole() -> T:
        return await work()

    return asyncio.run(whole())


async def told(client: DoorClient, command: Command) -> Reply:
    """The reply to a command; one that is not ok ends the program with its code."""
    reply = await client.call(command)
    if not reply.ok:
        raise Failed(reply.message, int(reply.code))
    return reply


def ask_door(context: typer.Context, command: Command) -> Reply:
    """Connect, give one command, and return its reply."""

    async def work() -> Reply:
        async with given(context).door() as client:
            return await told(client, command)

    return run(work)


def exit_code(error: PlacetError) -> int:
    """What the program exits with after this error (DESIGN §10)."""
    from console.door.calls import Unauthenticated
    from tools.kubernetes import faults

    match error:
        case Failed():
            return error.code
        case Unauthenticated() | faults.Unauthenticated():
            return 4
        case Denied():
            return 3
        case BadInput():
            return 2
        case RetryLater():
            return 8 if isinstance(error.__cause__, TimeoutError) else 1
        case _:
            return 1
