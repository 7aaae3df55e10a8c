"""The numbers of a house by name or by file: the shipped profiles, and one's own.

Read by gate, executor and the offline verdict when they load the rules, and by `placet policy profile`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from estate.errors import BadInput
from policies.bundle import SHIPPED, Bundle
from policies.profiles import Profile
from tools.inventory import files

HOUSE: Final = "house"
_FOLDER: Final = SHIPPED / "profiles"


def shipped() -> tuple[str, ...]:
    """The names of the profiles that come along."""
    return (HOUSE, *sorted(p.stem for p in _FOLDER.glob("*.yaml")))


def chosen(name: str) -> Profile:
    """The profile of that name, or in that file. A name is one of `shipped`; whatever has a `/` or an ending is a file.

    Raises:
        BadInput: there is none, or it does not fit; the message names the line.
    """
    if name == HOUSE:
        return Profile()
    if name in shipped():
        return read(_FOLDER / f"{name}.yaml")
    if "/" not in name and not Path(name).suffix:
        raise BadInput(f"there is no profile `{name}`; name one of {', '.join(shipped())}, or a file by its path")
    return read(Path(name))


def read(path: Path) -> Profile:
    """The profile in that file. Raises BadInput."""
    return files.parse(Profile, files.read(path), str(path))


def bundle(name: str) -> Bundle:
    """The shipped rules with the numbers of that profile. Raises BadInput."""
    return Bundle.load(profile=chosen(name))
