"""Read a secret from its file: called by the sources each time they sign in, so that a new one is found by itself.

Refused: a file that everybody on this machine may read, or others may write; an empty one; one that is no secret.
"""

from __future__ import annotations

import stat
from pathlib import Path

from estate.errors import Denied

_LARGEST = 16 * 1024
_OPEN = stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP
"""A mounted Secret may be the group's to read: so its owner says which process may."""


def read(file: Path | None) -> str:
    """What is in the file, without the line's end; empty where there is no file to read.

    Raises:
        Denied: it cannot be read, or others can.
    """
    if file is None:
        return ""
    try:
        with file.open("rb") as opened:
            mode = stat.S_IMODE(file.stat().st_mode)
            body = opened.read(_LARGEST + 1)
    except OSError as error:
        raise Denied(f"secret `{file}` cannot be read ({error.strerror}); write it, or correct its path") from error
    if mode & _OPEN:
        raise Denied(f"secret `{file}` has mode {mode:04o}, so that others can read or write it; chmod 600 {file}")
    return _checked(file, body)


def _checked(file: Path, body: bytes) -> str:
    try:
        text = body.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise Denied(f"secret `{file}` is not UTF-8; write the secret as text") from error
    if not text or len(body) > _LARGEST or not text.isprintable():
        raise Denied(f"secret `{file}` is not one line of text; write the secret and nothing else")
    return text
