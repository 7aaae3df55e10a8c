"""The binary of Prometheus: found where somebody named it or built, pinned by hash; a build that cannot be says why."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.controlplane.finding import BinariesMissing
from tools.prometheus import building

ROOT = Path(__file__).parents[2]


def binary(path: Path) -> Path:
    """A file that can be run and never is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    path.chmod(0o755)
    return path


def test_a_named_binary_comes_before_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cached, named = binary(building.cache() / "prometheus"), binary(tmp_path / "mine")
    assert building.find({}) == cached
    assert building.find({building.VARIABLE: str(named)}) == named


def test_a_named_binary_that_cannot_run_is_refused_and_nothing_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(building.VARIABLE, str(tmp_path / "none"))
    with pytest.raises(BinariesMissing, match="PLACET_PROMETHEUS names it; correct or unset it"):
        building.ensure(pytest.fail)


def test_without_go_the_build_says_how_to_get_it(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PATH": str(tmp_path)}
    environment.pop(building.VARIABLE, None)
    for verb in ("build", "toolchain"):
        command = [sys.executable, "-m", "tools.prometheus", verb]
        ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 1
        assert re.search(r"no `go` on PATH; install Go 1\.\d+\.\d+ or newer", ran.stderr)


def test_the_module_pins_what_the_binary_claims() -> None:
    """What the linker writes into it must be what it was made from, and every module has its hash."""
    folder = building.MODULE.folder
    assert f"github.com/prometheus/prometheus {building.VERSION}\n" in (folder / "go.mod").read_text()
    assert building.MODULE.linked == ("-X github.com/prometheus/common/version.Version=3.15.1",)
    assert all(f'_ "{package}"' in (folder / "tools.go").read_text() for package in building.MODULE.packages)
    assert all(re.fullmatch(r"\S+ \S+ h1:\S{43}=", row) for row in (folder / "go.sum").read_text().splitlines())


@pytest.mark.prometheus
def test_the_built_binary_is_that_version_without_clouds() -> None:
    said = subprocess.run([building.find(), "--version"], capture_output=True, text=True, check=True).stdout
    assert "version 3.15.1" in said
    assert re.search(r"tags:\s+.*remove_all_sd", said)
