"""Every recorded payload: understood, and as which facts; ignored, and why; or refused, and with which words.

The table is written into the test report (`build/payloads.md`, and the session's summary under `-rA`). What is
understood is pinned in `golden/*.txt`, one line a fact, as it was read against the payload by eye: a golden file holds
our words for what a payload says, never the payload.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from estate.errors import BadInput
from tests.payloads.conftest import CASES
from tests.payloads.writing import lines
from tools.payloads import contexts
from tools.payloads.formats import FACTS, FORMATS
from tools.payloads.parsed import Parsed

GOLDEN = Path(__file__).parent / "golden"
REPORT = Path(__file__).parents[2] / "build" / "payloads.md"
CONTEXT = {
    contexts.SOURCE: "recorded",
    contexts.HOST: "host-1",
    contexts.CLUSTER: "cluster-1",
    contexts.AT: "2026-01-01T00:00:00Z",
    "placet-device": "mlx5_0",
    "placet-boot": "boot-1",
}


@dataclass(frozen=True)
class Row:
    """What becomes of the files that a pattern names; the first row that fits a file is its row."""

    pattern: str
    format: str = ""
    """Who reads it; empty: nobody, for the reason."""
    why: str = ""
    refused: str = ""
    """A regular expression for the words of the refusal."""
    completed: tuple[str, str] | None = None
    """What a person would fill in first (pattern, text): the file is a template or an excerpt."""


NOT_A_PAYLOAD = "no payload of a sender: "
TABLE = (
    Row("*SOURCE.md", why=NOT_A_PAYLOAD + "says where its folder is from"),
    Row("README.md", why=NOT_A_PAYLOAD + "says what the folders are"),
    Row("scenarios.csv", why=NOT_A_PAYLOAD + "scenarios for the evals"),
    Row("xid/*", why=NOT_A_PAYLOAD + "catalogues; `xids` is held against NVIDIA's by test_xid_table"),
    Row("holmesgpt/*", why=NOT_A_PAYLOAD + "test cases for other agents; pods and owners are the cluster source's"),
    Row("k8s_ai_bench/*", why=NOT_A_PAYLOAD + "tasks for other agents; pods and owners are the cluster source's"),
    Row("itbench/*", why=NOT_A_PAYLOAD + "scenarios and faults of another benchmark"),
    Row("policy_gatekeeper/*", why=NOT_A_PAYLOAD + "policies and manifests to judge, for the law's tests"),
    Row("prompt_injection/*", why=NOT_A_PAYLOAD + "attacks that test_hostile_payloads puts into payloads"),
    Row("slack/*", why="people's words come through the chat's own door"),
    Row("node_problem_detector/*", why=NOT_A_PAYLOAD + "configuration; the conditions and events are read"),
    Row("eks_node_monitoring/*", why=NOT_A_PAYLOAD + "a list of condition names"),
    Row("nvsentinel/*.csv", why=NOT_A_PAYLOAD + "a mapping of codes"),
    Row("nvsentinel/recommended_action_enum*", why=NOT_A_PAYLOAD + "an enumeration"),
    Row("nvsentinel/crds/*", "kubernetes", refused="kind|expected an object"),
    Row("nvsentinel/cloudevent-transformed-from-test.json", "cloudevents"),
    Row("nvsentinel/xid-79-error.json", "nvsentinel"),
    Row("nvsentinel/*/unsupported-health-event.json", "nvsentinel"),
    Row("nvsentinel/*", "nvsentinel"),
    Row("alertmanager/derived_from_holmesgpt/*", "alertmanager"),
    Row("other_alert_sources/*", "alertmanager", refused="version"),
    Row("cloudevents/batch.json", "cloudevents", refused="type"),
    Row("cloudevents/http_binary_mode.txt", "cloudevents", refused="not JSON"),
    Row("cloudevents/binary_data.json", "cloudevents", refused="data_base64"),
    Row("cloudevents/xml_string_data.json", "cloudevents", refused="datacontenttype|type"),
    Row("cloudevents/*", "cloudevents", refused="type"),
    Row("dcgm/*.prom", "exposition"),
    Row("gpu_node_logs/infiniband-sysfs-*.json", "infiniband"),
    Row("gpu_node_logs/nvidia-smi-nvlink-*.txt", "nvlink"),
    Row("gpu_node_logs/dmidecode.txt", "board"),
    Row("gpu_node_logs/lspci-*.txt", "pci"),
    Row("gpu_node_logs/fabricmanager.log", "fabric-manager"),
    Row("gpu_node_logs/*", "kernel"),
    Row("gpu_node_objects/labels_*.json", "kubernetes", completed=(r"\A(?s:(.*))\Z", "NODE")),
    Row("gpu_node_objects/*.yaml", "kubernetes"),
    Row("dra/resourceslice_gke_a100_80gb.yaml", "kubernetes", refused="kind: required", completed=(r"\A", "SLICE")),
    Row("dra/*", "kubernetes"),
    Row("cluster_api/*", "kubernetes"),
    Row("k0rdent/crds/*", "kubernetes", refused="CustomResourceDefinition"),
    Row("k0rdent/templates/*", why=NOT_A_PAYLOAD + "Helm charts and their default values"),
    Row("k0rdent/objects/*", "kubernetes"),
    Row("k0rdent/*", "kubernetes", refused="placeholder", completed=(r"\$\{\w+\}", "x")),
    Row("kured_medik8s/kured_*", why="kured keeps its lock in annotations and its words in a pod's log"),
    Row(
        "kured_medik8s/fenceagentsremediation_status_succeeded.yaml",
        "kubernetes",
        refused="NODE_NAME",
        completed=("NODE_NAME", "worker-1"),
    ),
    Row("kured_medik8s/*", "kubernetes"),
    Row("redfish/*/error*.json", "redfish", refused="answered with an error"),
    Row("redfish/*/session_error.json", "redfish", refused="answered with an error"),
    Row("redfish/*/settings.json", "redfish", refused="@odata.type"),
    Row("redfish/dell_idrac_via_sushy/*", "redfish", refused="is not read"),
    *(
        Row(f"redfish/*/{name}*.json", "redfish", refused="is not read")
        for name in (
            "bios", "eventdestination", "eventservice", "firmwareinventory", "message_registry", "pcie_function",
            "simple_storage", "storage", "task", "updateservice",
        )
    ),
    Row("redfish/*", "redfish"),
)  # fmt: skip
_WHOLES = {
    "NODE": '{{"apiVersion": "v1", "kind": "Node", "metadata": {{"name": "n", "labels": {0}}}}}',
    "SLICE": "apiVersion: resource.k8s.io/v1\nkind: ResourceSlice\nmetadata:\n  name: s\n{0}",
}


def recorded() -> list[str]:
    if not CASES.is_dir():
        return []
    return sorted(p.relative_to(CASES).as_posix() for p in CASES.rglob("*") if p.is_file())


def row_of(file: str) -> Row | None:
    return next((row for row in TABLE if fnmatch.fnmatch(file, row.pattern)), None)


def parsed(row: Row, text: str) -> Parsed:
    headers = dict(CONTEXT)
    return (FACTS.get(row.format) or FORMATS[row.format])(text.encode("utf-8", "surrogateescape"), headers)


def completed(row: Row, text: str) -> str:
    assert row.completed is not None
    pattern, with_what = row.completed
    if with_what in _WHOLES:
        return _WHOLES[with_what].format(text)
    return re.sub(pattern, with_what, text)


def outcome(file: str) -> tuple[str, str]:
    """The verdict on a file and its words, held against the row and the golden file."""
    row = row_of(file)
    assert row is not None, f"{file}: nobody has said what becomes of it"
    if not row.format:
        return "ignored", row.why
    text = (CASES / file).read_bytes().decode("utf-8", "surrogateescape")
    refusal = ""
    if row.refused:
        with pytest.raises(BadInput, match=row.refused) as raised:
            parsed(row, text)
        refusal = str(raised.value)
        if row.completed is None:
            return "refused", refusal
    found = parsed(row, completed(row, text) if row.completed else text)
    held(file, found)
    words = f"{len(found.facts)} facts, {len(found.readings)} readings, {len(found.observations)} events"
    if found.faults:
        words += f", {len(found.faults)} faults ({found.faults[0]})"
    if found.ignored:
        words += f", {found.ignored} ignored"
    how = "once it is completed: " if row.completed else ""
    return "understood", f"{how}{words}{f'; as it stands: {refusal}' if refusal else ''}"


def held(file: str, found: Parsed) -> None:
    """Equal to the golden file of that payload."""
    golden = GOLDEN / f"{file.replace('/', '--')}.txt"
    written = "\n".join(lines(found)) + "\n"
    if not golden.exists():  # pragma: no cover - how a new payload is recorded, to be read by eye before it is kept
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(written)
        pytest.fail(f"{golden.name} is new: read it against the payload and run again")
    assert written == golden.read_text()


@pytest.mark.parametrize("file", recorded() or [pytest.param("", marks=pytest.mark.skip("no ../shared/cases here"))])
def test_every_recorded_payload_is_understood_ignored_or_refused_for_a_reason(
    file: str, record_property: pytest.RecordProperty
) -> None:
    verdict, words = outcome(file)
    record_property("payload", file)
    record_property("verdict", verdict)
    record_property("words", words)
    assert words


def test_the_table_of_payloads_is_written_into_the_report(cases: Path) -> None:
    """`build/payloads.md`: who reviews a parser reads there what it makes of what others wrote."""
    rows = list(table())
    REPORT.parent.mkdir(exist_ok=True)
    head = "| payload | format | verdict | what is in it, or why not |\n|---|---|---|---|\n"
    REPORT.write_text(head + "".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |\n" for row in rows))
    assert len(rows) == len(recorded())
    counts = {v: sum(1 for r in rows if r[2] == v) for v in ("understood", "ignored", "refused")}
    assert counts["understood"] >= 75
    assert sum(counts.values()) == len(rows)


def table() -> Iterator[tuple[str, str, str, str]]:
    for file in recorded():
        row = row_of(file)
        verdict, words = outcome(file)
        yield file, row.format if row else "", verdict, words


def test_every_row_of_the_table_is_some_files(cases: Path) -> None:
    """A row that no file takes would be a promise about nothing."""
    taken = {row_of(file) for file in recorded()}
    assert [row.pattern for row in TABLE if row not in taken] == []
