"""`placet` for the scripts of a test, without the seconds in which each command would load the same modules.

The file that `shell` makes is a program like any other to whoever starts it: working directory, environment, standard
streams, exit code and signals are its own, and `kill -9` of it kills what it runs. Behind it `tests/prompt.py` hands
all of these to a process that has loaded the modules (`tests.spawning`), and that one forks. A warning is an error, as
under `python -W error`. What only a cold start can show is shown by the few in `tests/console/test_command_line.py`.
"""

from __future__ import annotations

import atexit
import functools
import marshal
import multiprocessing
import os
import selectors
import shlex
import shutil
import signal
import socket
import sys
import tempfile
import warnings
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from tests import prompt, spawning
from tools.bus import launching

LARGEST = 1 << 20
"""Bytes of a request: arguments, working directory and environment."""


@functools.cache
def shell() -> Path:
    """A folder for PATH with `placet` in it, which works for as long as this process."""
    folder = Path(tempfile.mkdtemp(prefix="placet-prompts-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    address, program = folder / "socket", folder / "bin" / "placet"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(str(address))
        listening.listen(64)
        spawning.server().Process(target=_answer, args=(listening,), name="prompts", daemon=True).start()
    program.parent.mkdir()
    command = shlex.join([sys.executable, "-I", "-S", prompt.__file__, str(address)])
    program.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    program.chmod(0o755)
    return program.parent


@dataclass(frozen=True, slots=True)
class Request:
    """What a program is given by whoever starts it."""

    arguments: tuple[str, ...]
    cwd: str
    environment: dict[str, str]
    streams: list[int]

    def become(self) -> None:
        """In the new process: take it, and nothing else."""
        os.environ.clear()
        os.environ.update(self.environment)
        os.chdir(self.cwd)
        for number, stream in enumerate(self.streams):
            os.dup2(stream, number)
            os.close(stream)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - open as long as the program
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", closefd=False, buffering=1, errors="backslashreplace")  # noqa: SIM115
        sys.argv = ["placet", *self.arguments]


@dataclass(slots=True)
class _Prompts:
    """One thread that takes one request a round, after all that ended: what was killed before is dead by then."""

    listening: socket.socket
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def next(self) -> Request:
        """In a new process, what it is to run. In this one it returns never, and ends with the test run."""
        tests = multiprocessing.parent_process()
        assert tests is not None
        self.selector.register(tests.sentinel, selectors.EVENT_READ, sys.exit)
        self.selector.register(self.listening, selectors.EVENT_READ)
        while True:
            ready = [key for key, _ in self.selector.select()]
            for end in {key.data for key in ready if key.data}:
                end()
            if any(key.fileobj is self.listening for key in ready) and (request := self._taken()):
                return request

    def _taken(self) -> Request | None:
        """The request, in the process that is to run it."""
        asker, _ = self.listening.accept()
        said, streams, _, _ = socket.recv_fds(asker, LARGEST, 3)
        if not said:  # killed before it could ask
            return asker.close()
        here, pid = os.getpid(), os.fork()
        if not pid:
            launching.bind(here)
            self._forget()
            asker.close()
            return Request(*marshal.loads(said), streams)
        for stream in streams:
            os.close(stream)
        self._follow(pid, asker)
        return None

    def _follow(self, pid: int, asker: socket.socket) -> None:
        """When it has ended, tell the asker; when the asker was killed, end it."""
        alive = os.pidfd_open(pid)
        end = functools.partial(self._end, pid, alive, asker)
        self.selector.register(alive, selectors.EVENT_READ, end)
        self.selector.register(asker, selectors.EVENT_READ, end)
        asker.send(str(pid).encode())

    def _end(self, pid: int, alive: int, asker: socket.socket) -> None:
        os.kill(pid, signal.SIGKILL)  # too late for one that ended by itself
        _, status = os.waitpid(pid, 0)
        self.selector.unregister(alive)
        self.selector.unregister(asker)
        os.close(alive)
        with suppress(BrokenPipeError), asker:
            asker.send(str(os.waitstatus_to_exitcode(status)).encode())

    def _forget(self) -> None:
        """Hold nothing that the program would not."""
        held = [key.fileobj for key in self.selector.get_map().values()]
        self.selector.close()
        for one in held:
            os.close(one) if isinstance(one, int) else one.close()


def _answer(listening: socket.socket) -> None:
    """In a process with all modules loaded: be the listener, and then each program that is asked for."""
    from console.cli.commands import command
    from console.cli.main import main
    from console.cli.rendering import note

    warnings.simplefilter("error")
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()), suppress(SystemExit):
        note("for what rich and typer load with their first words")
        command()(["ask", "--help"])
    _Prompts(listening).next().become()
    main()
