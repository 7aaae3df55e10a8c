"""Builds the binaries of a control plane, once, from Go modules that `modules/*/go.sum` pins by hash.

Called by `make controlplane` (`python -m tools.controlplane`), by the demo, and by `tools.prometheus`, which builds its
own module the same way. The result is in the user's cache, named after everything it is made from; a build is complete
or absent, and two at once wait for each other.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from estate.errors import RetryLater
from tools.controlplane import finding
from tools.controlplane.components import Part
from tools.controlplane.finding import KUBERNETES, KWOK, MODULES, Binaries, BinariesMissing

type Say = Callable[[str], None]

_VERSION_PACKAGES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
_TAIL_LINES = 15
_REPORT_EVERY = 250


class BuildFailed(RetryLater):
    """The Go compiler or the fetching of a module failed; the message holds the tail of what it said."""


@dataclass(frozen=True, slots=True)
class Module:
    """One folder of `modules/`: what is built from it, and what the linker writes into it."""

    name: str
    packages: tuple[str, ...]
    linked: tuple[str, ...]
    root: Path = MODULES
    tags: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where its go.mod and go.sum are."""
        return self.root / self.name


def _kubernetes_linked() -> tuple[str, ...]:
    major, minor, _ = KUBERNETES.removeprefix("v").split(".")
    values = {"gitVersion": KUBERNETES, "gitMajor": major, "gitMinor": minor}
    return tuple(f"-X {package}.{name}={value}" for package in _VERSION_PACKAGES for name, value in values.items())


_KUBERNETES_PARTS = (Part.API_SERVER, Part.CONTROLLER_MANAGER, Part.SCHEDULER)
KUBERNETES_MODULE = Module(
    "kubernetes",
    ("go.etcd.io/etcd/server/v3", *(f"k8s.io/kubernetes/cmd/{part}" for part in _KUBERNETES_PARTS)),
    _kubernetes_linked(),
)
KWOK_MODULE = Module("kwok", ("sigs.k8s.io/kwok/cmd/kwok",), (f"-X sigs.k8s.io/kwok/pkg/consts.Version={KWOK}",))
# etcd's main package is the root of the module `…/server/v3`, and the linker names its output after that.
_RENAMED = {"server": Part.ETCD}


def ensure(say: Say) -> Binaries:
    """The binaries, built now where they are missing (minutes, and gigabytes of Go's own caches).

    Raises:
        BinariesMissing: `KUBEBUILDER_ASSETS` names an incomplete folder, or there is no Go.
        BuildFailed: a module could not be fetched or compiled.
    """
    try:
        return finding.find()
    except BinariesMissing:
        if os.environ.get(finding.VARIABLE):
            raise
    target = finding.cache()
    with alone(target, say):
        if Binaries(target).missing():
            build(target, (KUBERNETES_MODULE, KWOK_MODULE), say)
    return finding.find()


def toolchain(*modules: Module) -> Path:
    """The `go` on PATH, if it is new enough for them (without any: for the control plane's).

    Raises:
        BinariesMissing: it is not; the message holds the remedy.
    """
    wanted = _wanted_go(modules or (KUBERNETES_MODULE, KWOK_MODULE))
    found = shutil.which("go")
    if found is None:
        raise BinariesMissing(f"no `go` on PATH; install Go {_dotted(wanted)} or newer, or run `make controlplane`")
    said = subprocess.run([found, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
    if _version(said) < wanted:
        raise BinariesMissing(f"`{found}` is `{said}`; put Go {_dotted(wanted)} or newer first on PATH")
    return Path(found)


def build(target: Path, modules: tuple[Module, ...], say: Say) -> None:
    """Into a folder beside the target, which then takes its name in one step. Hold `alone` meanwhile.

    Raises:
        BinariesMissing: there is no Go that is new enough.
        BuildFailed: a module could not be fetched or compiled.
    """
    go = toolchain(*modules)
    beside = Path(tempfile.mkdtemp(prefix=f"{target.name}.building-", dir=target.parent))
    try:
        for module in modules:
            say(f"building {', '.join(p.rpartition('/')[2] for p in module.packages)} with {go}; this takes minutes")
            _compile(module, go, beside, say)
        for built, part in _RENAMED.items():
            if (beside / built).exists():
                (beside / built).rename(beside / part)
        shutil.rmtree(target, ignore_errors=True)
        beside.chmod(0o755)
        beside.rename(target)
        say(f"built into {target}")
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _compile(module: Module, go: Path, into: Path, say: Say) -> None:
    flags = ["-v", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", " ".join(("-s", "-w", *module.linked))]
    flags += ["-tags", ",".join(module.tags)]
    said: deque[str] = deque(maxlen=_TAIL_LINES)
    with subprocess.Popen(  # noqa: S603 - the command is our own
        [go, "build", *flags, "-o", f"{into}{os.sep}", *module.packages],
        cwd=module.folder,
        env={**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as compiler:
        assert compiler.stdout is not None
        for number, line in enumerate(compiler.stdout, start=1):
            said.append(line.rstrip())
            if number % _REPORT_EVERY == 0:
                say(f"  {number} packages fetched or compiled")
    if compiler.returncode != 0:
        tail = "\n".join(said)
        raise BuildFailed(f"`go build` of {module.name} ended with {compiler.returncode}:\n{tail}")


@contextmanager
def alone(target: Path, say: Say) -> Iterator[None]:
    """Hold the lock of this build; it goes with the process, however that ends."""
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(target.parent / f"{target.name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process builds these binaries; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for stale in target.parent.glob(f"{target.name}.building-*"):
            shutil.rmtree(stale, ignore_errors=True)
        yield
    finally:
        os.close(lock)


def _wanted_go(modules: tuple[Module, ...]) -> tuple[int, ...]:
    """The oldest Go that every module accepts."""
    asked = [re.findall(r"^go (\S+)$", (m.folder / "go.mod").read_text(), re.M) for m in modules]
    return max(_version(line) for lines in asked for line in lines)


def _version(text: str) -> tuple[int, ...]:
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in found.groups()) if found else (0, 0, 0)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
