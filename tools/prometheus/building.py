"""Builds the binary of Prometheus once, from the module whose hashes are in `module/go.sum`.

Called by `make prometheus`. Service discovery of clouds is left out by Prometheus' own build tags: only files and HTTP
remain, and half of the modules need not be compiled. Who has a binary names it in `PLACET_PROMETHEUS`.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping
from pathlib import Path

import platformdirs

from tools.controlplane import building
from tools.controlplane.building import Module, Say
from tools.controlplane.finding import BinariesMissing

VERSION = "v0.315.1"
"""The module's version: Prometheus 3.15.1."""
VARIABLE = "PLACET_PROMETHEUS"
_NAME = "prometheus"
MODULE = Module(
    "module",
    ("github.com/prometheus/prometheus/cmd/prometheus",),
    (f"-X github.com/prometheus/common/version.Version={VERSION.replace('v0.3', '3.', 1)}",),
    root=Path(__file__).parent,
    tags=("remove_all_sd", "netgo"),
)


def find(environment: Mapping[str, str] | None = None) -> Path:
    """The binary to run. Raises BinariesMissing."""
    named = (os.environ if environment is None else environment).get(VARIABLE)
    if named:
        return _runnable(Path(named).absolute(), f"{VARIABLE} names it; correct or unset it")
    return _runnable(cache() / _NAME, "run `make prometheus`, which builds it once")


def ensure(say: Say) -> Path:
    """The binary, built now where it is missing.

    Raises:
        BinariesMissing: the variable names none, or there is no Go.
        BuildFailed: a module could not be fetched or compiled.
    """
    try:
        return find()
    except BinariesMissing:
        if os.environ.get(VARIABLE):
            raise
    target = cache()
    with building.alone(target, say):
        if not _can_run(target / _NAME):
            building.build(target, (MODULE,), say)
    return find()


def cache() -> Path:
    """The folder that this version is built into, named after everything it is made from."""
    made_from = f"{VERSION} {MODULE.tags} {platform.system()} {platform.machine()}"
    hashed = hashlib.sha256(made_from.encode())
    for path in sorted(p for p in MODULE.folder.rglob("*") if p.is_file()):
        hashed.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return platformdirs.user_cache_path("placet") / "prometheus" / hashed.hexdigest()[:16]


def _runnable(binary: Path, remedy: str) -> Path:
    if not _can_run(binary):
        raise BinariesMissing(f"no prometheus at `{binary}`; {remedy}")
    return binary


def _can_run(binary: Path) -> bool:
    return binary.is_file() and os.access(binary, os.X_OK)
