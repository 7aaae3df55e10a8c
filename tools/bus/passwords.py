"""The NATS passwords of an installation's processes, in one file of mode 0600.

Called by `console.bootstrap`. Blocking; call it off the event loop.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from estate.clocks import Entropy
from estate.errors import BadInput

_BYTES = 24


def kept(path: Path, users: Iterable[str], entropy: Entropy) -> dict[str, str]:
    """The password of each of `users`, made and written where it is missing.

    Raises:
        BadInput: the file is not ours, or others may read it.
    """
    known = _read(path)
    missing = [user for user in users if user not in known]
    if missing:
        known |= {user: entropy(_BYTES).hex() for user in missing}
        _write(path, known)
    return known


def _read(path: Path) -> dict[str, str]:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        form = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise BadInput(f"`{path}` is not JSON; remove it and new passwords are made") from error
    if mode & 0o077:
        raise BadInput(f"`{path}` can be read by others (mode {mode:o}); run `chmod 600` on it")
    if not isinstance(form, dict) or not all(isinstance(value, str) for value in form.values()):
        raise BadInput(f"`{path}` does not hold passwords by user; remove it and new ones are made")
    return form


def _write(path: Path, passwords: dict[str, str]) -> None:
    beside = path.with_suffix(".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, 0o600)
        json.dump(passwords, file, indent=1)
        file.flush()
        os.fsync(descriptor)
    beside.replace(path)
