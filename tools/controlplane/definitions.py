"""Definitions of others' kinds (Cluster API's), out of the Go module whose hash is pinned, and into a cluster.

Called by `make controlplane`, which fetches them once, and by tests, which install them. Nothing is compiled: a module
carries its definitions as YAML.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import platformdirs
import yaml
from kubernetes.aio.client import ApiClient

from estate.errors import RetryLater
from tools.controlplane import building, clients
from tools.controlplane.building import BuildFailed, Say
from tools.controlplane.finding import BinariesMissing

MODULE: Final = Path(__file__).parent / "definition_modules" / "cluster-api"
_NAME = "sigs.k8s.io/cluster-api"
_FOLDERS: Final = ("config/crd/bases", "controlplane/kubeadm/config/crd/bases")
_KINDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_POLL_SECONDS, _SECONDS = 0.05, 30.0


def find() -> Path:
    """The folder of Cluster API's definitions. Raises BinariesMissing."""
    folder = cache()
    if not folder.is_dir():
        raise BinariesMissing(f"no definitions of Cluster API in `{folder}`; run `make controlplane`")
    return folder


def ensure(say: Say) -> Path:
    """The same, fetched now where they are missing.

    Raises:
        BinariesMissing: there is no Go.
        BuildFailed: the module could not be fetched, or is not the one that is pinned.
    """
    target = cache()
    with building.alone(target, say):
        if not target.is_dir():
            _copy(_fetched(say), target)
    return target


def cache() -> Path:
    """The folder that this version is kept in."""
    pinned = b"".join((MODULE / name).read_bytes() for name in ("go.mod", "go.sum"))
    told = hashlib.sha256(pinned + repr(_FOLDERS).encode()).hexdigest()[:16]
    return platformdirs.user_cache_path("placet") / "definitions" / told


def forms(*paths: Path) -> list[clients.Object]:
    """The definitions in these files. Without their authors' webhooks, an API server converts nothing but the name of
    the version.
    """
    return [form for path in paths for form in yaml.load_all(path.read_bytes(), Loader=_LOADER) if form]


async def install(api: ApiClient, definitions: Iterable[clients.Object], *, seconds: float = _SECONDS) -> None:
    """Create them, and return when their kinds are served. Raises RetryLater where that takes too long."""
    names = []
    for form in definitions:
        await clients.create(api, _KINDS, form)
        names.append(str(form["metadata"]["name"]))
    try:
        async with asyncio.timeout(seconds):
            for name in names:
                while not _established(await clients.ask(api, "GET", f"{_KINDS}/{name}")):  # noqa: ASYNC110
                    await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError as error:
        raise RetryLater(f"the definitions {', '.join(f'`{n}`' for n in names)} are not served") from error


async def remove(api: ApiClient, definitions: Iterable[clients.Object]) -> None:
    """Delete them, and with them every object of their kinds."""
    for form in definitions:
        await clients.delete(api, f"{_KINDS}/{form['metadata']['name']}")


def _established(form: clients.Object) -> bool:
    conditions = (form.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


def _fetched(say: Say) -> Path:
    go = building.toolchain()
    pinned = next(line.split() for line in (MODULE / "go.sum").read_text().splitlines())
    say(f"fetching the definitions of {pinned[0]} {pinned[1]}")
    done = subprocess.run(  # noqa: S603 - the command is our own
        [go, "mod", "download", "-json", f"{pinned[0]}@{pinned[1]}"],
        cwd=MODULE,
        env={**os.environ, "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-mod=readonly"},
        capture_output=True,
        text=True,
        check=False,
    )
    told = json.loads(done.stdout) if done.stdout.startswith("{") else {}
    if done.returncode or told.get("Sum") != pinned[2]:
        raise BuildFailed(
            f"`go mod download` of {_NAME} ended with {done.returncode}: {told.get('Error', done.stderr)}"
        )
    return Path(told["Dir"])


def _copy(source: Path, target: Path) -> None:
    beside = Path(tempfile.mkdtemp(prefix=f"{target.name}.fetching-", dir=target.parent))
    try:
        for path in sorted(path for folder in _FOLDERS for path in (source / folder).glob("*.yaml")):
            shutil.copyfile(path, beside / path.name)
        beside.chmod(0o755)
        beside.rename(target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
