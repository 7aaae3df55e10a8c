"""Objects that files declare for a cluster: read, compared with what is there, missed where they are not."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml

from estate.drifts import Basis
from estate.errors import BadInput
from tests import builders
from tests.drift.benches import deployment
from tests.execution.clusters import CLUSTER
from tools.drift.objects import Setting
from tools.drift.schemas import Schemas
from tools.inventory.kubernetes import declaring
from tools.inventory.kubernetes.drifting import DriftBook, Found
from tools.kubernetes import resources
from tools.kubernetes.connecting import Object

SCHEMAS = Schemas(
    {"components": {"schemas": {k: {"x-kubernetes-group-version-kind": [{"group": g, "version": "v1", "kind": k}]}}}}
    for g, k in (("apps", "Deployment"), ("", "Node"))
)
SERVE = "Deployment tenant-a/serve"


def written(name: str = "serve", replicas: int = 2) -> Object:
    body = deployment(name, replicas=replicas)
    body["metadata"]["namespace"] = "tenant-a"
    return body


def there(name: str = "serve", replicas: int = 2, generation: int = 1) -> Object:
    """As an API server has it, written by a deployment tool."""
    body = copy.deepcopy(written(name, replicas))
    held = {"f:spec": {"f:replicas": {}, "f:selector": {}, "f:template": {}}}
    hand = {"manager": "flux", "operation": "Apply", "apiVersion": "apps/v1", "fieldsV1": held}
    body["metadata"] |= {"uid": f"uid-{name}", "generation": generation, "managedFields": [hand]}
    return body


@pytest.fixture
def book() -> DriftBook:
    made = DriftBook(Setting(CLUSTER, builders.facts(), SCHEMAS))
    made.declare({SERVE: written()})
    return made


def told(found: Found) -> dict[str, list[tuple[str, str | None, str | None]]]:
    assert all(d.basis is Basis.DECLARED for drifts in found.values() for d in drifts)
    return {called: [(d.path, d.desired, d.observed) for d in drifts] for called, drifts in found.items()}


def test_what_is_as_declared_is_no_drift_and_what_is_otherwise_is_one_until_it_is_mended(book: DriftBook) -> None:
    book.put(resources.DEPLOYMENTS, there())
    assert book.take() == {}
    book.put(resources.DEPLOYMENTS, there(replicas=5, generation=2))
    assert told(book.take()) == {SERVE: [("spec.replicas", "2", "5")]}
    book.put(resources.DEPLOYMENTS, there(generation=3))
    assert told(book.take()) == {SERVE: []}


def test_what_is_declared_and_not_there_is_missed_once_everything_was_listed(book: DriftBook) -> None:
    assert book.take() == {}
    book.keep_only(resources.NODES, ())
    assert book.take() == {}, "only nodes were listed"
    book.keep_only(resources.DEPLOYMENTS, ())
    assert told(book.take()) == {SERVE: [("", '"present"', None)]}
    book.put(resources.DEPLOYMENTS, there())
    assert told(book.take()) == {SERVE: []}
    book.drop(resources.DEPLOYMENTS, there())
    assert told(book.take()) == {SERVE: [("", '"present"', None)]}


def test_other_files_are_compared_with_what_is_there_already(book: DriftBook) -> None:
    book.put(resources.DEPLOYMENTS, there())
    book.put(resources.DEPLOYMENTS, there("other"))
    book.keep_only(resources.DEPLOYMENTS, ("uid-serve", "uid-other"))
    book.declare({SERVE: written(replicas=3), "Deployment tenant-a/new": written("new")})
    assert told(book.take()) == {
        SERVE: [("spec.replicas", "3", "2")],
        "Deployment tenant-a/new": [("", '"present"', None)],
    }
    book.declare({})
    assert told(book.take()) == {SERVE: [], "Deployment tenant-a/new": []}


def test_files_folders_documents_and_lists_are_read_and_kinds_that_nobody_watches_left_out(tmp_path: Path) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "serve", "namespace": "tenant-a"}}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "eu-a1"}}
    (tmp_path / "chart.yaml").write_text(yaml.safe_dump_all([written(), service, None]))
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "nodes.json").write_text(str({"kind": "List", "items": [node]}).replace("'", '"'))
    (tmp_path / "notes.txt").write_text("{")
    found = declaring.load([tmp_path])
    assert set(found.objects) == {SERVE, "Node eu-a1"}
    assert found.left_out == {"Service"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [", "a.yaml: is no YAML"),
        ("a: 1", r"a.yaml, document 1: is no object with `apiVersion`"),
        ("[1]", r"a.yaml, document 1: is no object"),
        (yaml.safe_dump_all([written(), written()]), f"a.yaml, document 2: `{SERVE}` is declared twice"),
    ],
)
def test_a_file_that_declares_no_objects_is_refused_by_name(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(BadInput, match=fault):
        declaring.load([tmp_path / "a.yaml"])
    with pytest.raises(BadInput, match=r"none\.yaml: is not there"):
        declaring.load([tmp_path / "none.yaml"])
