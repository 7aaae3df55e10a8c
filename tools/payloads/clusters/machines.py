"""KubeVirt: virtual machines and their instances, where they run and which host devices they hold."""

from __future__ import annotations

from tools.payloads import reading
from tools.payloads.clusters import amounts
from tools.payloads.clusters.sheets import Sheet, count, maybe
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.statements import Attribute, Status, Tie

_STATUS_LISTS = ("gpuStatuses", "hostDeviceStatuses")
_DEVICE_LISTS = ("gpus", "hostDevices")


def machine(sheet: Sheet, raw: reading.Fields) -> None:
    """A VirtualMachine: what is wanted, and whether it is there."""
    status = raw.within("status")
    sheet.say(sheet.subject, Attribute.PHASE, reading.name(status.text("printableStatus", "")))
    if status.has("ready"):
        sheet.judge(sheet.subject, "MachineReady", Status.TRUE if status.flag("ready", False) else Status.FALSE)
    sheet.conditions(sheet.subject, status)
    _shape(sheet, sheet.subject, raw.within("spec").within("template").within("spec").within("domain"))


def instance(sheet: Sheet, raw: reading.Fields) -> None:
    """A VirtualMachineInstance: one run of a machine, on a node."""
    status = raw.within("status")
    sheet.say(sheet.subject, Attribute.PHASE, reading.name(status.text("phase", "")))
    if node := maybe(status, "nodeName"):
        sheet.tie(sheet.subject, Tie.RUNS_ON, sheet.node(node))
    owner = sheet.object("VirtualMachine", sheet.group, sheet.namespace, sheet.name)
    sheet.tie(sheet.subject, Tie.MADE_FROM, owner)
    _held(sheet, status.within("deviceStatus"), node)
    sheet.conditions(sheet.subject, status)
    _shape(sheet, sheet.subject, raw.within("spec").within("domain"))


def _held(sheet: Sheet, devices: reading.Fields, node: str) -> None:
    """The devices that were allocated to it: the claims that hold them, and their addresses on the node."""
    for name in _STATUS_LISTS:
        for number, item in enumerate(devices.items(name)):
            device = reading.Fields(item, f"{devices.place(name)}.{number}")
            held = device.within("deviceResourceClaimStatus")
            if claim := maybe(held, "resourceClaimName"):
                made = sheet.object("ResourceClaim", "resource.k8s.io", sheet.namespace, claim)
                sheet.tie(made, Tie.ALLOCATED_TO, sheet.subject)
            address = reading.pci_address(held.within("attributes").text("pciAddress", ""))
            if address and node:
                part = sheet.subject.of(f"device/{reading.name(device.text('name'))}")
                sheet.tie(part, Tie.SAME_AS, Mention(MentionKind.PCI_ADDRESS, address, node))


def _shape(sheet: Sheet, subject: Mention, domain: reading.Fields) -> None:
    cpu = domain.within("cpu")
    parts = [count(cpu, field) for field in ("sockets", "cores", "threads")]
    if any(part is not None for part in parts):
        sockets, cores, threads = (1 if part is None else part for part in parts)
        sheet.say(subject, Attribute.VCPUS, sockets * cores * threads)
    guest = domain.within("memory").raw("guest")
    if guest is not None:
        sheet.say(subject, Attribute.MEMORY_BYTES, amounts.whole(guest, domain.place("memory.guest")))
    devices = domain.within("devices")
    for name in _DEVICE_LISTS:
        for number, item in enumerate(devices.items(name)):
            device = reading.Fields(item, f"{devices.place(name)}.{number}")
            part = subject.of(f"device/{reading.name(device.text('name'))}")
            sheet.say(part, Attribute.DEVICE_KIND, reading.name(device.text("deviceName", "")))
