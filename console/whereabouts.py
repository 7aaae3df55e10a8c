"""Where a running system can be reached: a record in `run/`, true only while the process that wrote it lives."""

from __future__ import annotations

import os
from typing import Literal

from console.state import StateDirectory, write_private
from estate.errors import RetryLater
from estate.records import Record


class Whereabouts(Record):
    """The process and its addresses. No secrets."""

    kind: Literal["placet.whereabouts"] = "placet.whereabouts"
    v: Literal[1] = 1
    pid: int
    nats_url: str
    http_port: int


def write(state: StateDirectory, nats_url: str, http_port: int) -> None:
    """Say where this process can be reached."""
    found = Whereabouts(pid=os.getpid(), nats_url=nats_url, http_port=http_port)
    write_private(state.run_path / "system.json", found.canonical())


def read(state: StateDirectory) -> Whereabouts:
    """Where the system of this state directory is.

    Raises:
        RetryLater: none is running.
    """
    try:
        found = Whereabouts.read((state.run_path / "system.json").read_bytes())
        os.kill(found.pid, 0)
    except (FileNotFoundError, ProcessLookupError) as error:
        raise RetryLater(f"nothing runs in `{state.root}`; start it with `placet run`") from error
    return found


def forget(state: StateDirectory) -> None:
    """The system has stopped."""
    (state.run_path / "system.json").unlink(missing_ok=True)
