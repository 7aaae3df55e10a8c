"""Groups of jurisdictions (`EU`, `EEA`, `adequate`), expanded to countries when a facts file is read.

Called by `tools.inventory.files`, before anybody signs: what is signed names countries only, so that no newer list
changes what somebody signed, and says by which version of the lists its groups were expanded. The lists are data,
with their sources and dates (`jurisdictions.toml`). Refused: a code that is no group and no country of ISO 3166-1.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Self

from estate.canonical import Json
from estate.errors import BadInput

SHIPPED: Final = Path(__file__).parent / "jurisdictions.toml"
_LISTS: Final = frozenset(
    {
        "geographic",
        "legal",
        "operational",
        "key",
        "replicas_in",
        "backups_in",
        "telemetry_in",
        "admins_in",
        "support_in",
        "control_plane_in",
        "compelled_by",
        "to",
        "countries",
    }
)
"""The fields of facts that are lists of countries. A grant's `to` is no list."""
_USERS: Final = re.compile("AA|Q[M-Z]|X[A-Z]|ZZ")
"""Codes that ISO 3166-1 leaves to its users: nobody's, so that a skeleton which names them permits nothing."""
_SINGLE: Final = frozenset({"seat", "country"})

type _Path = tuple[str | int, ...]


class NoCountry(BadInput):
    """A code that is no country, and where it stands."""

    def __init__(self, path: tuple[str | int, ...], message: str) -> None:
        super().__init__(f"{'.'.join(map(str, path))}: {message}")
        self.path = path


@dataclass(frozen=True, slots=True)
class Jurisdictions:
    """One version of the lists."""

    version: str
    groups: dict[str, tuple[str, ...]]
    countries: frozenset[str]

    @classmethod
    def read(cls, path: Path) -> Self:
        """The lists of that file; each group with what it includes, sorted."""
        with path.open("rb") as file:
            form = tomllib.load(file)
        groups: dict[str, tuple[str, ...]] = {}
        for name, group in form["groups"].items():
            included = (c for other in group.get("includes", ()) for c in groups[other])
            groups[name] = tuple(sorted({*group["countries"], *included}))
        return cls(form["version"], groups, frozenset(form["iso-3166"]["codes"].split()))

    def expanded(self, form: dict[str, Json]) -> dict[str, Json]:
        """A facts file with countries in the place of groups; where it named one, with the lists' version.

        Raises:
            NoCountry: something is none.
        """
        search = _Search(self)
        found = {name: search.value(name, value, (name,)) for name, value in form.items()}
        return found | ({"jurisdictions": self.version} if search.found_groups else {})


@dataclass(slots=True)
class _Search:
    """One file gone through."""

    lists: Jurisdictions
    found_groups: bool = False

    def value(self, name: str, value: Json, path: _Path) -> Json:
        """A value of a field of that name."""
        if isinstance(value, dict):
            return {k: self.value(k, v, (*path, k)) for k, v in value.items()}
        if isinstance(value, list):
            if name in _LISTS and all(isinstance(v, str) for v in value):
                return self._countries([str(v) for v in value], path)
            return [self.value("", v, (*path, n)) for n, v in enumerate(value)]
        if name in _SINGLE and isinstance(value, str):
            self._check(value, path, also="")
        return value

    def _countries(self, names: list[str], path: _Path) -> list[Json]:
        found: dict[str, None] = {}
        for name in names:
            group = self.lists.groups.get(name)
            self.found_groups = self.found_groups or group is not None
            if group is None:
                self._check(name, path, also=f", or a group ({', '.join(self.lists.groups)})")
            found |= dict.fromkeys(group or (name,))
        return [*found]

    def _check(self, name: str, path: _Path, also: str) -> None:
        written = len(name) == 2 and name.isascii() and name.isupper()
        if written and name not in self.lists.countries and not _USERS.fullmatch(name):
            raise NoCountry(path, f"`{name}` is no country of ISO 3166-1; write its two letters{also}")


@cache
def shipped() -> Jurisdictions:
    """The lists that this version of Placet knows."""
    return Jurisdictions.read(SHIPPED)
