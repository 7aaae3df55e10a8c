"""Kernel lines in every shape that drivers, syslog and journald write them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from estate.errors import BadInput
from estate.observations import EventType, Severity
from tests.payloads.conftest import Parse
from tools.payloads.kernel import HOST_HEADER

LOST = "NVRM: Xid (PCI:0000:17:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus."
CHANGED = "154, GPU recovery action changed from"
HOST = {"Placet-Host": "gpu-7"}


@pytest.mark.parametrize(
    "line",
    [
        LOST,
        f"[6781741.548779] {LOST}",
        f"<3>[6781741.548779] {LOST}",
        f"kernel: [6781741.548779] {LOST}",
        f"3,1234,6781741548779,-;{LOST}",
        f"[Sun Feb 23 16:24:18 2025] {LOST}",
        f"Feb 23 16:24:18 gpu-7 kernel: [6781741.548779] {LOST}",
        f"2025-02-23T16:24:18.123456+01:00 gpu-7 kernel: {LOST}",
        LOST.replace("PCI:0000:17:00", "PCI:0000:17:00.0"),
        LOST.replace("PCI:0000:17:00", "0000:17:00.0"),
        LOST.replace("PCI:0000:17:00", "PCI:00000000:17:00"),
    ],
)
def test_one_loss_reads_the_same_in_every_shape(parse: Parse, line: str) -> None:
    (observed,) = parse("kernel", line.encode(), HOST).observations
    assert observed.type is EventType.ACCELERATOR_FAILED
    assert observed.severity is Severity.FATAL
    assert observed.code == "xid-79"
    assert observed.whereabouts.pci_address == "0000:17:00.0"
    assert observed.whereabouts.node_name == "gpu-7"
    assert observed.source == "kernel/gpu-7"


def test_one_line_through_dmesg_kmsg_and_journald_is_one_event(parse: Parse) -> None:
    journal = {
        "MESSAGE": LOST,
        "_HOSTNAME": "gpu-7",
        "__REALTIME_TIMESTAMP": "1740324258123456",
        "_SOURCE_MONOTONIC_TIMESTAMP": "6781741548779",
    }
    bodies = [
        f"[6781741.548779] {LOST}".encode(),
        f"3,1234,6781741548779,-;{LOST}".encode(),
        json.dumps(journal).encode(),
        json.dumps({"host": "gpu-7", "lines": [f"<3>[6781741.548779] {LOST}"]}).encode(),
    ]
    assert len({parse("kernel", body, HOST).observations[0].sender_id for body in bodies}) == 1


def test_the_same_text_after_another_boot_or_at_another_time_is_another_event(parse: Parse) -> None:
    def sender(boot: str, stamp: str) -> str:
        body = {"host": "gpu-7", "boot_id": boot, "lines": [{"text": f"[{stamp}] {LOST}"}]}
        return parse("kernel", body).observations[0].sender_id

    assert len({sender("a", "1.000001"), sender("b", "1.000001"), sender("a", "1.000002")}) == 3


def test_journald_gives_the_time_of_the_wall_clock(parse: Parse) -> None:
    row = json.dumps({"MESSAGE": LOST, "_HOSTNAME": "gpu-7", "__REALTIME_TIMESTAMP": "1740324258123456"})
    (observed,) = parse("kernel", f"{row}\n{row.replace('79,', '13,')}".encode()).observations[:1]
    assert observed.occurred_at is not None
    assert observed.occurred_at.isoformat() == "2025-02-23T15:24:18.123456+00:00"


def test_a_malformed_line_costs_no_other_line(parse: Parse) -> None:
    rows = [
        "usb 1-1: new device",
        LOST,
        LOST.replace("79", "abc"),
        LOST.replace("17:00", "zz"),
        "",
        LOST.replace("79", "48"),
    ]
    parsed = parse("kernel", {"host": "gpu-7", "lines": [*rows, 7, {"text": LOST, "at": "yesterday"}]})
    assert [o.code for o in parsed.observations] == ["xid-79", "xid-48"]
    assert [f.at for f in parsed.faults] == ["line 3", "line 4", "line 7", "line 8"]
    assert parsed.ignored == 2


def test_a_log_without_any_report_is_read_and_says_nothing(parse: Parse) -> None:
    parsed = parse("kernel", b"usb 1-1: new device\nEXT4-fs mounted\n", HOST)
    assert (parsed.observations, parsed.faults, parsed.ignored) == ((), (), 2)


def test_a_report_of_no_host_is_refused_with_the_remedy(parse: Parse) -> None:
    with pytest.raises(BadInput, match=HOST_HEADER):
        parse("kernel", LOST.encode())


def test_a_shipper_without_lines_is_told_which_field_is_missing(parse: Parse) -> None:
    with pytest.raises(BadInput, match="lines: required"):
        parse("kernel", {"host": "gpu-7"})


@pytest.mark.parametrize(
    ("text", "severity", "type_"),
    [
        ("31, pid=12, name=python3, Ch 00000008", Severity.WARNING, EventType.ACCELERATOR_DEGRADED),
        ("45, pid=12, name=python3, Ch 00000008", Severity.INFO, EventType.ACCELERATOR_DEGRADED),
        ("94, Contained ECC error.", Severity.CRITICAL, EventType.ACCELERATOR_DEGRADED),
        ("95, Uncontained ECC error.", Severity.FATAL, EventType.ACCELERATOR_FAILED),
        ("74, NVLink: fatal error detected", Severity.CRITICAL, EventType.LINK_DEGRADED),
        ("145, RLW_REMAP Fatal XC1 i0 Link 10 (0x4)", Severity.CRITICAL, EventType.LINK_DEGRADED),
        ("145, RLW_REMAP Nonfatal XC1 i0 Link 10 (0x4)", Severity.WARNING, EventType.LINK_DEGRADED),
        (f"{CHANGED} 0x0 (None) to 0x1 (GPU Reset Required)", Severity.FATAL, EventType.ACCELERATOR_FAILED),
        (f"{CHANGED} 0x1 (GPU Reset Required) to 0x0 (None)", Severity.INFO, EventType.ACCELERATOR_DEGRADED),
        (
            f"{CHANGED} 0x4 (Drain and Reset) to 0x2 (Node Reboot Required)",
            Severity.FATAL,
            EventType.ACCELERATOR_FAILED,
        ),
        ("99999, unknown error", Severity.WARNING, EventType.ACCELERATOR_DEGRADED),
        ("79", Severity.FATAL, EventType.ACCELERATOR_FAILED),
    ],
)
def test_severity_follows_the_code_and_where_it_must_the_text(
    parse: Parse, text: str, severity: Severity, type_: EventType
) -> None:
    (observed,) = parse("kernel", f"NVRM: Xid (PCI:0000:17:00): {text}".encode(), HOST).observations
    assert (observed.severity, observed.type) == (severity, type_)


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("20034, Fatal, Link 30 LTSSM Fault Up", Severity.FATAL),
        ("20009, Non-fatal, Link 04 RX Short Error Rate", Severity.WARNING),
        ("20034, Severity 1 Engine instance 60 Sub-engine instance 00", Severity.INFO),
        ("20034, Data {0x50610002, 0x10100030}", Severity.INFO),
    ],
)
def test_a_switch_reports_its_links_and_names_no_accelerator(parse: Parse, text: str, severity: Severity) -> None:
    line = f"[73309.599396] nvidia-nvswitch0: SXid (PCI:0000:06:00.0): {text}"
    (observed,) = parse("kernel", line.encode(), HOST).observations
    assert (observed.type, observed.severity) == (EventType.LINK_DEGRADED, severity)
    assert observed.code == f"sxid-{text[:5]}"
    assert observed.whereabouts.pci_address == ""
    assert "nvswitch0 (0000:06:00.0)" in observed.message


LOGS = ("nvrm-xid-lines.txt", "nvsentinel-xid-sxid-lines.txt", "nvswitch-sxid-lines.txt")


@pytest.mark.parametrize("file", LOGS)
def test_every_collected_line_is_an_event_or_a_stated_refusal(parse: Parse, cases: Path, file: str) -> None:
    """The collection holds lines that are malformed on purpose: exactly those may be refused."""
    rows = [r for r in (cases / "gpu_node_logs" / file).read_text().splitlines() if "Xid (" in r]
    assert rows
    refused = []
    for row in rows:
        try:
            parsed = parse("kernel", row.encode(), HOST)
        except BadInput:
            refused.append(row)
        else:
            assert len(parsed.observations) == 1, row
    assert all(re.search(r"\): (abc|INVALID)", row) for row in refused), refused


def test_other_collected_logs_are_read_without_a_fault(parse: Parse, cases: Path) -> None:
    for path in sorted((cases / "gpu_node_logs").glob("*.log")):
        assert parse("kernel", path.read_bytes(), HOST).faults == (), path.name
