"""The binaries: found where somebody named them or built; pinned by hash; a build that cannot be says why."""

from __future__ import annotations

import fcntl
import os
import queue
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tools.controlplane import building, finding
from tools.controlplane.components import Part
from tools.controlplane.finding import BinariesMissing

ROOT = Path(__file__).parents[2]


def fill(folder: Path, *without: Part) -> Path:
    """A folder of executables that are never run."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in set(Part) - set(without):
        (folder / part).write_text("")
        (folder / part).chmod(0o755)
    return folder


def test_a_named_folder_comes_before_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`KUBEBUILDER_ASSETS` is how others point at binaries that they have."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cached, named = fill(finding.cache()), fill(tmp_path / "named")
    assert finding.find({}).folder == cached
    assert finding.find({"KUBEBUILDER_ASSETS": str(named)}).folder == named


def test_an_incomplete_named_folder_is_refused_and_nothing_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whoever names a folder means it: another set of binaries would be a surprise."""
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(fill(tmp_path, Part.KWOK, Part.SCHEDULER)))
    with pytest.raises(BinariesMissing, match=r"no kube-scheduler, kwok in .*KUBEBUILDER_ASSETS names it"):
        building.ensure(pytest.fail)


def test_a_file_that_cannot_run_is_as_good_as_missing(tmp_path: Path):
    """A download that lost its mode is told of before etcd is up."""
    (fill(tmp_path) / Part.ETCD).chmod(0o644)
    with pytest.raises(BinariesMissing, match="no etcd in"):
        finding.find({"KUBEBUILDER_ASSETS": str(tmp_path)})


def test_the_make_target_ends_quickly_where_all_is_there(tmp_path: Path):
    """`make test` runs it each time: it prints the folder and asks for no Go."""
    fill(tmp_path)
    environment = {**os.environ, "KUBEBUILDER_ASSETS": str(tmp_path), "PATH": ""}
    for verb, said in (("build", f"{tmp_path}\n"), ("toolchain", "")):
        ran = run(verb, environment)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, said, "")


def test_without_go_the_build_says_how_to_get_it(tmp_path: Path):
    """The wheel with Go is for the make target to fetch; a bare build only says so."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PATH": str(tmp_path)}
    environment.pop("KUBEBUILDER_ASSETS", None)
    for verb in ("build", "toolchain"):
        ran = run(verb, environment)
        assert ran.returncode == 1
        assert re.search(r"no `go` on PATH; install Go 1\.\d+\.\d+ or newer, or run `make controlplane`", ran.stderr)


def test_a_go_that_is_too_old_is_refused_before_it_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An old compiler fails after minutes, on a line that says nothing of its age."""
    old = tmp_path / "go"
    old.write_text("#!/bin/sh\necho go1.19.8\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(BinariesMissing, match=r"go1\.19\.8`; put Go 1\.\d+\.\d+ or newer first on PATH"):
        building.toolchain()


def test_a_second_build_waits_for_the_first_and_takes_what_it_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Two builds at once would double minutes of compiling, or mix their files."""
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    said: queue.Queue[str] = queue.Queue()
    with ThreadPoolExecutor(1) as pool, (lock_of(finding.cache())).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = pool.submit(building.ensure, said.put)
        assert said.get(timeout=10) == "another process builds these binaries; waiting for it"
        fill(finding.cache())
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert second.result(10).folder == finding.cache()
    assert said.empty()


def test_a_build_that_fails_says_why_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A module that cannot be fetched: the cache holds whole sets of binaries or none."""
    broken = tmp_path / "go"
    broken.write_text('#!/bin/sh\n[ "$1" = env ] && echo go9.9.9 && exit\necho "dial tcp: no route to host"\nexit 1\n')
    broken.chmod(0o755)
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(building.BuildFailed, match=r"(?s)`go build` of kubernetes ended with 1:.*no route to host"):
        building.ensure(lambda _: None)
    assert list(finding.cache().parent.iterdir()) == [lock_of(finding.cache())]


def lock_of(cache: Path) -> Path:
    cache.parent.mkdir(parents=True, exist_ok=True)
    return cache.with_name(f"{cache.name}.lock")


def test_the_modules_pin_the_versions_that_the_binaries_claim():
    """What the linker writes into a binary must be what it was made from."""
    kubernetes, kwok = (building.KUBERNETES_MODULE.folder, building.KWOK_MODULE.folder)
    assert f"k8s.io/kubernetes {finding.KUBERNETES}\n" in (kubernetes / "go.mod").read_text()
    assert f"sigs.k8s.io/kwok {finding.KWOK}\n" in (kwok / "go.mod").read_text()
    for module in (building.KUBERNETES_MODULE, building.KWOK_MODULE):
        sums, blank = (module.folder / "go.sum").read_text(), (module.folder / "tools.go").read_text()
        assert all(f'_ "{package}"' in blank for package in module.packages)
        assert all(re.fullmatch(r"\S+ \S+ h1:\S{43}=", line) for line in sums.splitlines())
    staging = re.findall(r"^\s(k8s\.io/\S+) => (\S+) (\S+)$", (kubernetes / "go.mod").read_text(), re.M)
    assert len(staging) == 33
    assert {(to == of, version) for of, to, version in staging} == {
        (True, "v0" + finding.KUBERNETES.removeprefix("v1"))
    }


def test_every_component_is_built_by_some_module():
    """None is forgotten, none comes from elsewhere."""
    packages = [p for m in (building.KUBERNETES_MODULE, building.KWOK_MODULE) for p in m.packages]
    built = {re.sub(r".*/server/v3$", "etcd", package).rpartition("/")[2] for package in packages}
    assert built == set(Part)


def run(verb: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.controlplane", verb]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
