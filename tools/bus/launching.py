"""Becomes a server, holding its store. Run as a script by `server.EmbeddedServer` and `tools.controlplane.components`.

Two promises that only the server's own process can keep: it dies with the thread that started it (Linux), and its
lock on the store lasts exactly as long as it lives. Usage: `launching.py PARENT_PID LOCK_FILE SERVER ARGUMENT…`.
Exits with 73 when the store is taken.
"""

import ctypes
import fcntl
import os
import signal
import sys

STORE_TAKEN = 73
_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Guard, then exec; returns never."""
    parent, lock_file, *command = arguments
    bind(int(parent))
    lock = os.open(lock_file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(STORE_TAKEN)
    os.set_inheritable(lock, True)
    os.execv(command[0], command)  # noqa: S606 - the command is the one that our caller made


def bind(parent: int) -> None:
    """Let this process die with the thread that started it (Linux); at once where that is gone already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
