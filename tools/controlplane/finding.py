"""Where the binaries of a control plane are: `KUBEBUILDER_ASSETS` first, else the cache that `building` fills.

Called by `launching` and `building`. It builds nothing: what is missing is an error that says how to get it.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from estate.errors import BadInput
from tools.controlplane.components import Part

KUBERNETES = "v1.36.3"
KWOK = "v0.8.0"
VARIABLE = "KUBEBUILDER_ASSETS"
MODULES = Path(__file__).parent / "modules"


class BinariesMissing(BadInput):
    """A control plane cannot start here; the message says what is missing and how to get it."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder that holds every component."""

    folder: Path

    def of(self, part: Part) -> Path:
        """The binary of one component."""
        return self.folder / part

    def missing(self) -> list[str]:
        """The components that are not there or cannot run."""
        return [p for p in Part if not (self.of(p).is_file() and os.access(self.of(p), os.X_OK))]


def find(environment: Mapping[str, str] | None = None) -> Binaries:
    """The folder to run from. Raises BinariesMissing."""
    named = (os.environ if environment is None else environment).get(VARIABLE)
    if named:
        return _complete(Binaries(Path(named).absolute()), f"{VARIABLE} names it; complete the folder or unset it")
    return _complete(Binaries(cache()), "run `make controlplane`, which builds them once")


def cache() -> Path:
    """The folder that these versions are built into."""
    return platformdirs.user_cache_path("placet") / "controlplane" / _digest()


def _complete(found: Binaries, remedy: str) -> Binaries:
    if missing := found.missing():
        raise BinariesMissing(f"no {', '.join(missing)} in `{found.folder}`; {remedy}")
    return found


def _digest() -> str:
    """Names everything that the binaries come from: pinned modules, versions, machine."""
    hashed = hashlib.sha256(f"{KUBERNETES} {KWOK} {platform.system()} {platform.machine()}".encode())
    for path in sorted(MODULES.rglob("*")):
        if path.is_file():
            hashed.update(path.relative_to(MODULES).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return hashed.hexdigest()[:16]
