"""Dynamic resource allocation: which devices a driver offers in its slices, and which claim holds which of them.

A device is `pool/name` of its driver. Attributes of the driver's own domain may be written with or without it. Devices
that consume the same counters share one board: each is a partition of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from estate.errors import BadInput
from tools.payloads import reading
from tools.payloads.clusters import amounts
from tools.payloads.clusters.sheets import Sheet, count, maybe, named
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.statements import Attribute, Status, Tie

MOST_DEVICES = 512
_TEXTS: Mapping[str, Attribute] = {
    "productName": Attribute.MODEL,
    "model": Attribute.MODEL,
    "architecture": Attribute.ARCHITECTURE,
    "driverVersion": Attribute.DRIVER,
    "cudaDriverVersion": Attribute.RUNTIME,
    "cudaComputeCapability": Attribute.COMPUTE_CAPABILITY,
    "index": Attribute.INDEX,
    "type": Attribute.DEVICE_KIND,
    "profile": Attribute.MIG_PROFILE,
    "resource.kubernetes.io/pcieRoot": Attribute.PCIE_ROOT,
    "numaNode": Attribute.NUMA_NODE,
}
_DRIVEN = re.compile(r"device\.driver\s*==\s*[\"']([a-z0-9.\-]{1,253})[\"']", re.ASCII)
_MOST_WANTED = 512
_BUS = ("resource.kubernetes.io/pciBusID", "pciBusID", "pciAddress")


def resource_slice(sheet: Sheet, raw: reading.Fields) -> None:
    """The devices of one slice, of any served version: `basic` held their attributes before v1beta2."""
    spec = raw.within("spec", required=True)
    driver, pool = named(spec, "driver"), spec.within("pool", required=True)
    name, node = named(pool, "name"), maybe(spec, "nodeName")
    devices = spec.items("devices")
    if len(devices) > MOST_DEVICES:
        raise BadInput(f"{spec.place('devices')}: {len(devices)} devices are more than {MOST_DEVICES}")
    for number, item in enumerate(devices):
        fields = reading.Fields(item, f"{spec.place('devices')}.{number}")
        subject = Mention(MentionKind.DRA_DEVICE, f"{name}/{named(fields, 'name')}", driver)
        inner = fields.within("basic") if fields.has("basic") else fields
        at = node or maybe(inner, "nodeName")
        if at:
            sheet.tie(subject, Tie.CONTAINED_BY, sheet.node(at))
        _device(sheet, subject, inner, at, name)


def _device(sheet: Sheet, subject: Mention, fields: reading.Fields, node: str, pool: str) -> None:
    attributes = _attributes(fields.within("attributes"), subject.scope)
    for key, attribute in _TEXTS.items():
        sheet.say(subject, attribute, attributes.get(key))
    for name, amount in _capacities(fields.within("capacity"), subject.scope):
        if name == "memory":
            sheet.say(subject, Attribute.MEMORY_BYTES, amount)
    if uuid := attributes.get("uuid"):
        sheet.tie(subject, Tie.SAME_AS, Mention(MentionKind.GPU_UUID, str(uuid)))
    if parent := attributes.get("parentUUID"):
        sheet.tie(subject, Tie.PARTITION_OF, Mention(MentionKind.GPU_UUID, str(parent)))
    address = next((reading.pci_address(str(attributes[b])) for b in _BUS if b in attributes), None)
    if address and node:
        sheet.tie(subject, Tie.SAME_AS, Mention(MentionKind.PCI_ADDRESS, address, node))
    for number, item in enumerate(fields.items("consumesCounters")):
        counters = named(reading.Fields(item, f"{fields.place('consumesCounters')}.{number}"), "counterSet")
        sheet.tie(
            subject, Tie.PARTITION_OF, Mention(MentionKind.DRA_DEVICE, f"{pool}/{counters}", subject.scope, "counters")
        )
    _taints(sheet, subject, fields)


def _taints(sheet: Sheet, subject: Mention, fields: reading.Fields) -> None:
    """A device that its driver taints is not to be had."""
    for number, item in enumerate(fields.items("taints")):
        taint = reading.Fields(item, f"{fields.place('taints')}.{number}")
        effect = reading.name(taint.text("effect"))
        key, value = reading.name(taint.text("key")), reading.name(taint.text("value", ""))
        sheet.judge(subject, f"Tainted/{key}", Status.TRUE, reason=effect, message=value)


def _attributes(fields: reading.Fields, driver: str) -> dict[str, str | int]:
    """Values by their names without the driver's own domain. A boolean or a list is no value of ours."""
    found: dict[str, str | int] = {}
    for key in fields.names():
        holder = fields.within(key)
        name = key.removeprefix(f"{driver}/")
        if holder.has("string") or holder.has("version"):
            found[name] = reading.name(holder.text("string", "") or holder.text("version", ""))
        elif holder.has("int"):
            found[name] = _int(holder)
    return found


def _int(holder: reading.Fields) -> int:
    value = holder.number("int", 0)
    if abs(value) >= 2**53:
        raise BadInput(f"{holder.place('int')}: `{reading.shown(value)[:40]}` is out of range")
    return value


def _capacities(fields: reading.Fields, driver: str) -> list[tuple[str, int]]:
    """Amounts by their names; before v1beta1 they were written without `value`."""
    found = []
    for key in fields.names():
        value = fields.raw(key)
        plain = value if not isinstance(value, dict) else fields.within(key).raw("value")
        found.append((key.removeprefix(f"{driver}/"), amounts.whole(plain, fields.place(key))))
    return found


def resource_claim(sheet: Sheet, raw: reading.Fields) -> None:
    """What a claim asks for, which devices it holds and for whom; one that is not allocated yet says so. Who only looks
    after a device (`adminAccess`) takes it from nobody.
    """
    _requests(sheet, raw.within("spec"))
    status = raw.within("status")
    allocation = status.within("allocation")
    sheet.judge(sheet.subject, "Allocated", Status.TRUE if status.has("allocation") else Status.FALSE)
    for number, item in enumerate(allocation.within("devices").items("results")):
        result = reading.Fields(item, f"status.allocation.devices.results.{number}")
        if not result.flag("adminAccess", False):
            device = f"{named(result, 'pool')}/{named(result, 'device')}"
            sheet.tie(Mention(MentionKind.DRA_DEVICE, device, named(result, "driver")), Tie.ALLOCATED_TO, sheet.subject)
    for number, item in enumerate(status.items("reservedFor")):
        holder = reading.Fields(item, f"status.reservedFor.{number}")
        if holder.text("resource", "") == "pods":
            pod = sheet.object("Pod", "", sheet.namespace, named(holder, "name"))
            sheet.tie(sheet.subject, Tie.ALLOCATED_TO, pod)


def claim_template(sheet: Sheet, raw: reading.Fields) -> None:
    """What the claims that are made from it will ask for."""
    _requests(sheet, raw.within("spec").within("spec"))


def device_class(sheet: Sheet, raw: reading.Fields) -> None:
    """Whose devices a class selects, as far as its expressions name a driver, and what they may be counted as."""
    spec = raw.within("spec")
    for number, item in enumerate(spec.items("selectors")):
        selector = reading.Fields(item, f"{spec.place('selectors')}.{number}").within("cel")
        for driver in _DRIVEN.findall(selector.text("expression", "")):
            sheet.tie(sheet.subject, Tie.MANAGED_BY, Mention(MentionKind.DRA_DEVICE, "", driver))
    sheet.say(sheet.subject, Attribute.NAME, reading.name(spec.text("extendedResourceName", "")))


def _requests(sheet: Sheet, spec: reading.Fields) -> None:
    """Each request: how many devices, and of which class; of several ways to satisfy it the first, which is preferred.
    One of all devices says no number.
    """
    devices = spec.within("devices")
    for number, item in enumerate(devices.items("requests")):
        request = reading.Fields(item, f"{devices.place('requests')}.{number}")
        part = sheet.subject.of(f"request/{named(request, 'name')}")
        ways = [reading.Fields(w, request.place("firstAvailable")) for w in request.items("firstAvailable")]
        way = ways[0] if ways else request.within("exactly") if request.has("exactly") else request
        if way.flag("adminAccess", False):
            continue
        sheet.say(part, Attribute.TEMPLATE, maybe(way, "deviceClassName"))
        if way.text("allocationMode", "ExactCount") == "ExactCount":
            wanted = count(way, "count")
            sheet.say(part, Attribute.DEVICES, min(1 if wanted is None else wanted, _MOST_WANTED))
