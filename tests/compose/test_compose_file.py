"""compose.yaml holds no secret, shows each container its own state only, and is what Docker Compose accepts."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from console.roles import SERVERS, roles
from estate.ids import ExecutorId
from tests.compose.composition import FILE, REPOSITORY, services

PROCESSES = ("gate", "executor-twin", "inventory", "agent", "console")
WHOLE = {"init", "issue", "provision", "admin"}
"""Who mounts the whole installation: an administrator's commands, none of which stays."""
DATABASE = {"postgres", "provision", "gate", "executor-twin", "agent", "console"}


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """Volume to where the container sees it."""
    found: dict[str, str] = {}
    for volume in service.get("volumes", []):
        name, place, *_ = volume.split(":")
        found[name] = place
    return found


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_sees_its_own_directory_and_no_other(name: str) -> None:
    """The twin is a world of its own, which its executor and the inventory share."""
    service = services()[name]
    world = {"world": "/placet/roles/world"} if name in {"executor-twin", "inventory"} else {}
    assert mounts(service) == {name: f"/placet/roles/{name}", **world}
    assert service["environment"] == {"PLACET_STATE_DIR": f"/placet/roles/{name}"}


def test_the_whole_installation_is_mounted_by_nobody_who_stays() -> None:
    holders = {name for name, service in services().items() if "whole" in mounts(service)}
    assert holders == WHOLE
    assert not [name for name in WHOLE if "restart" in services()[name]]


def test_the_issue_has_a_volume_for_every_role() -> None:
    """A role without one would be written into a container's own read-only file system, and fail."""
    expected = {*roles((ExecutorId("twin"),)), "world", "whole"}
    assert set(mounts(services()["issue"])) == expected
    assert set(SERVERS) <= expected


@pytest.mark.parametrize("name", sorted(services()))
def test_every_container_is_read_only_and_without_privileges(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service


def test_ports_are_published_on_loopback_only() -> None:
    published = [port for service in services().values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:8090:8090"]


def test_who_needs_no_database_cannot_reach_it() -> None:
    assert {name for name, service in services().items() if "database" in service.get("networks", [])} == DATABASE


def test_whatever_stays_says_whether_it_is_healthy() -> None:
    staying = {name for name, service in services().items() if service.get("restart") == "always"}
    assert staying == {*PROCESSES, *SERVERS}
    assert all("healthcheck" in services()[name] for name in staying)


def test_no_secret_is_in_the_file_and_no_image_names_a_registry() -> None:
    text = FILE.read_text()
    assert not re.search(r"(?i)(password|secret|token|key)\s*[:=]\s*\S", text.replace("POSTGRES_PASSWORD_FILE: /", ""))
    assert not re.search(r"://[^\s/]*:[^\s/]*@", text), "no address carries a password"
    images = {service["image"] for service in services().values()}
    assert all("/" not in image for image in images), images


def test_everything_that_is_named_is_declared() -> None:
    """What can be held against the compose specification without Docker Compose: names, conditions, orders."""
    file = yaml.safe_load(FILE.read_text())
    for name, service in file["services"].items():
        assert set(mounts(service)) <= set(file["volumes"]), name
        assert set(service.get("networks", [])) <= set(file["networks"]), name
        for other, condition in service.get("depends_on", {}).items():
            needed = file["services"][other]
            assert condition["condition"] != "service_healthy" or "healthcheck" in needed
            assert condition["condition"] != "service_completed_successfully" or "restart" not in needed


def test_docker_compose_accepts_it() -> None:
    """Needs no engine. `docker compose`, or the plugin's binary alone."""
    command = _compose()
    ran = subprocess.run(
        [*command, "-f", str(FILE), "--profile", "people", "config", "--format", "json"],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert set(json.loads(ran.stdout)["services"]) == set(services())


def _compose() -> list[str]:
    alone = shutil.which("docker-compose")
    if alone is not None:
        return [alone]
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no Docker Compose here: neither `docker compose` nor `docker-compose` is on PATH")
    return [docker, "compose"]


def test_the_image_installs_what_the_tests_run_with() -> None:
    """image.lock is the part of requirements.lock that runs, with the same hashes, and what builds the wheel."""
    image, tested = (_locked(REPOSITORY / name) for name in ("image.lock", "requirements.lock"))
    building = {"hatchling", "pathspec", "pluggy", "trove-classifiers"}
    assert set(image) - set(tested) <= building
    assert not {name for name in set(image) & set(tested) if image[name] != tested[name]}
    assert all("--hash=sha256:" in line for line in image.values())


def _locked(path: Path) -> dict[str, str]:
    found = re.findall(r"^([a-z0-9._-]+)(==(?:.+\n)(?: {4}.+\n?)*)", path.read_text(), re.MULTILINE)
    return dict(found)
