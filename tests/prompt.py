"""The `placet` that a shell starts in the place of the program: asks `tests.prompts` to run it, and ends as it does.

Run as a script by the file that `prompts.shell` writes: `prompt.py SOCKET ARGUMENT…`. It is started hundreds of times
and so loads next to nothing: `_socket` and `_signal` are what `socket` and `signal` take a dozen modules to wrap.
"""

import _signal
import _socket
import marshal
import os
import sys

FORWARDED = (_signal.SIGHUP, _signal.SIGINT, _signal.SIGTERM)


def main(address: str, *arguments: str) -> None:
    """Have it run with all that this process was given; returns never."""
    asking = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    asking.connect(address)
    _signal.pthread_sigmask(_signal.SIG_BLOCK, FORWARDED)
    asked = marshal.dumps((arguments, os.getcwd(), dict(os.environ)))
    ours = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
    asking.sendmsg([asked], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, ours)])
    _forward(int(asking.recv(32)))
    _end(int(asking.recv(32) or b"1"))


def _forward(program: int) -> None:
    """Whoever sends a signal to this process means the program."""

    def send(number: int, _: object) -> None:
        try:  # noqa: SIM105 - contextlib takes as long to load as all the rest
            os.kill(program, number)
        except ProcessLookupError:
            pass  # it has ended, and is about to tell how

    for number in FORWARDED:
        _signal.signal(number, send)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, FORWARDED)


def _end(code: int) -> None:
    """Exit as the program did; of the signal that it died of, if it was one."""
    if code < 0:
        if -code != _signal.SIGKILL:
            _signal.signal(-code, _signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
