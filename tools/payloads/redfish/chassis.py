"""Chassis, systems, processors and their collections: what a thing is, what it stands in, what feeds and cools it."""

from __future__ import annotations

from tools.payloads import reading
from tools.payloads.contexts import Context
from tools.payloads.facts import mentions
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.metrics import Metric
from tools.payloads.facts.readings import Presence
from tools.payloads.facts.statements import Attribute, Tie
from tools.payloads.redfish.quantities import Page, fragment, link, number, path, text

_NO_UUID = frozenset({"ffffffff-ffff-ffff-ffff-ffffffffffff", "00000000-0000-0000-0000-000000000000"})
"""Placeholders of boards whose maker wrote none: thousands of machines share them."""
_MOST_LINKS = 1_000
_GIBI = 1024.0**3
_GIGABIT = 1e9 / 8


def chassis(page: Page, resource: reading.Fields, subject: Mention, context: Context) -> None:
    """Make, serial numbers and place of an enclosure."""
    page.state(subject, resource)
    _make(page, resource, subject)
    page.say(subject, Attribute.CHASSIS_TYPE, text(resource, "ChassisType"))
    height = number(resource, "HeightMm")
    page.say(subject, Attribute.HEIGHT_MILLIMETRES, None if height is None else round(height))
    links = resource.within("Links")
    page.tie(subject, Tie.CONTAINED_BY, _at(link(links, "ContainedBy"), context))
    for name, tie in (("CooledBy", Tie.COOLED_BY), ("PoweredBy", Tie.POWERED_BY), ("ManagedBy", Tie.MANAGED_BY)):
        for other in _links(links, name, context):
            page.tie(subject, tie, other)
    for system in _links(links, "ComputerSystems", context):
        page.tie(system, Tie.CONTAINED_BY, subject)


def system(page: Page, resource: reading.Fields, subject: Mention, context: Context) -> None:
    """A computer: its identity, processors and memory. `HostName` ties it to what its operating system calls itself."""
    page.state(subject, resource)
    _make(page, resource, subject)
    page.say(subject, Attribute.FIRMWARE, text(resource, "BiosVersion"))
    if host := reading.host(text(resource, "HostName")):
        page.tie(subject, Tie.SAME_AS, Mention(MentionKind.HOSTNAME, host))
    processors = resource.within("ProcessorSummary")
    count = number(processors, "Count")
    page.say(subject, Attribute.PROCESSORS, None if count is None else round(count))
    memory = number(resource.within("MemorySummary"), "TotalSystemMemoryGiB")
    if memory is not None:
        page.readings.add(subject, Metric.MEMORY_TOTAL, memory * _GIBI)


def processor(page: Page, resource: reading.Fields, subject: Mention, context: Context) -> None:
    """A CPU or GPU of a system."""
    page.state(subject, resource)
    _make(page, resource, subject)
    page.say(subject, Attribute.DEVICE_KIND, text(resource, "ProcessorType"))
    if uuid := _uuid(resource):
        page.tie(subject, Tie.SAME_AS, Mention(MentionKind.GPU_UUID, uuid))


def adapter(page: Page, resource: reading.Fields, subject: Mention, context: Context) -> None:
    """A network adapter or PCIe device: its make and firmware."""
    page.state(subject, resource)
    _make(page, resource, subject)
    page.say(subject, Attribute.FIRMWARE, text(resource, "FirmwareVersion"))


def manager(page: Page, resource: reading.Fields, subject: Mention, context: Context) -> None:
    """A BMC: its firmware. Its UUID is its own, not the machine's."""
    page.state(subject, resource)
    page.say(subject, Attribute.NAME, text(resource, "Name"))
    page.say(subject, Attribute.MODEL, text(resource, "Model"))
    page.say(subject, Attribute.DEVICE_KIND, text(resource, "ManagerType"))
    page.say(subject, Attribute.FIRMWARE, text(resource, "FirmwareVersion"))


def port(page: Page, resource: reading.Fields, subject: Mention, context: Context) -> None:
    """A port of a network adapter: its speed, and the switch port that it says to be cabled to (LLDP)."""
    presence = page.state(subject, resource)
    page.say(subject, Attribute.LINK_LAYER, text(resource, "LinkNetworkTechnology"))
    status = text(resource, "LinkStatus")
    page.say(subject, Attribute.LINK_STATE, status)
    if status in {"LinkUp", "LinkDown"}:
        page.measure(subject, Metric.PORT_UP, float(status == "LinkUp"), presence)
    if resource.says("CurrentSpeedGbps"):
        speed = number(resource, "CurrentSpeedGbps")
        page.measure(subject, Metric.PORT_CAPACITY, None if speed is None else speed * _GIGABIT, presence)
    heard = resource.within("Ethernet").within("LLDPReceive")
    switch, other = text(heard, "SystemName"), text(heard, "PortId")
    if switch and other:
        page.tie(subject, Tie.LINKED_TO, Mention(MentionKind.SWITCH_PORT, other, switch))


def drive(page: Page, resource: reading.Fields, subject: Mention, context: Context) -> None:
    """A disk: its make, size and whether it says that it will fail."""
    presence = page.state(subject, resource)
    _make(page, resource, subject)
    page.say(subject, Attribute.DEVICE_KIND, text(resource, "MediaType"))
    if resource.says("CapacityBytes"):
        page.measure(subject, Metric.STORAGE_CAPACITY, number(resource, "CapacityBytes"), presence)
    if presence is Presence.MEASURED and resource.has("FailurePredicted"):
        page.judge(subject, "FailurePredicted", resource.flag("FailurePredicted", False))


def collection(page: Page, resource: reading.Fields, subject: Mention, context: Context) -> None:
    """Members belong to the collection's path: what a reader follows next."""
    for member in _links(resource, "Members", context):
        page.tie(member, Tie.MEMBER_OF, subject)


def _make(page: Page, resource: reading.Fields, subject: Mention) -> None:
    for name, attribute in (
        ("Name", Attribute.NAME),
        ("Manufacturer", Attribute.MANUFACTURER),
        ("Model", Attribute.MODEL),
        ("PartNumber", Attribute.PART_NUMBER),
        ("AssetTag", Attribute.ASSET_TAG),
        ("PowerState", Attribute.POWER_STATE),
    ):
        page.say(subject, attribute, text(resource, name))
    if serial := text(resource, "SerialNumber"):
        page.say(subject, Attribute.SERIAL, serial)
        page.tie(subject, Tie.SAME_AS, mentions.serial(text(resource, "Manufacturer"), serial))
    if resource.has("ProcessorType"):
        return
    if uuid := _uuid(resource):
        page.say(subject, Attribute.SYSTEM_UUID, uuid)
        page.tie(subject, Tie.SAME_AS, Mention(MentionKind.SYSTEM_UUID, uuid))


def _uuid(resource: reading.Fields) -> str:
    found = text(resource, "UUID").lower()
    return "" if found in _NO_UUID else found


def _at(where: str, context: Context) -> Mention | None:
    return Mention(MentionKind.CHASSIS, where, context.host) if where else None


def _links(fields: reading.Fields, name: str, context: Context) -> list[Mention]:
    """Every thing that a list of references points at; a fragment is a part of it."""
    found = []
    for number_, item in enumerate(fields.items(name)[:_MOST_LINKS]):
        target = reading.Fields(item, f"{fields.place(name)}.{number_}").text("@odata.id", "")
        if where := path(target):
            found.append(Mention(MentionKind.CHASSIS, where, context.host, fragment(target)).whole())
    return found
