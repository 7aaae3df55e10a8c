"""Which thing a sample's labels name. None, where they name none: a reading of nobody is worth nothing."""

from __future__ import annotations

from tools.payloads import reading
from tools.payloads.facts import mentions
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.telemetry.series import Labels, Target

_HOSTS = ("Hostname", "hostname", "node", "kubernetes_node", "nodename", "host", "instance")
_UUIDS = ("UUID", "uuid", "gpu_uuid", "GPU_UUID")
_INDEXES = ("gpu", "gpu_id", "GPU", "device", "minor_number")


def gpu(labels: Labels, target: Target) -> Mention | None:
    """By UUID, else by serial number, else by PCI address or number on its host. A MIG instance is part of its GPU."""
    found = _whole_gpu(labels, target)
    instance = reading.name(labels.get("GPU_I_ID", ""))
    return found.of(f"mig/{instance}") if found and instance else found


def node(labels: Labels, target: Target) -> Mention | None:
    """The machine."""
    found = host(labels, target)
    return Mention(MentionKind.HOSTNAME, found) if found else None


def problem(labels: Labels, target: Target) -> Mention | None:
    """The machine, and which problem of it: node-problem-detector's `type` and `reason`."""
    found = node(labels, target)
    words = [reading.name(labels[k]) for k in ("type", "reason") if labels.get(k)]
    return found.of("/".join(words)) if found and words else None


def adapter_port(labels: Labels, target: Target) -> Mention | None:
    """A port of an RDMA adapter: `mlx5_0/1`."""
    device, port = reading.name(labels.get("device", "")), reading.name(labels.get("port", ""))
    found = host(labels, target)
    return Mention(MentionKind.PORT, f"{device}/{port}", found) if device and port and found else None


def switch_port(labels: Labels, target: Target) -> Mention | None:
    """An interface of a switch, which `instance` or `target` names; an address names a switch well enough."""
    port = reading.pick(labels, ("ifName", "ifDescr", "interface_name", "interface", "name", "local_port"))
    switch = reading.pick(labels, ("switch", "local_name", "sysName", "source", "target", "instance")) or target.host
    return Mention(MentionKind.SWITCH_PORT, port, switch) if port and switch else None


def server(labels: Labels, target: Target) -> Mention | None:
    """A model server by its pod, else by its instance; the part is the model."""
    pod = reading.pick(labels, ("exported_pod", "pod"))
    namespace = reading.pick(labels, ("exported_namespace", "namespace"))
    place = f"{namespace}/{pod}" if pod else reading.pick(labels, ("instance",)) or target.host
    model = reading.pick(labels, ("model_name", "model", "model_id"))
    return Mention(MentionKind.MODEL_SERVER, place, target.cluster, model) if place else None


def disk(labels: Labels, target: Target) -> Mention | None:
    """A disk of a machine."""
    device, found = reading.name(labels.get("device", "")), host(labels, target)
    return Mention(MentionKind.BLOCK_DEVICE, device, found) if device and found else None


def storage(labels: Labels, target: Target) -> Mention | None:
    """A pool, file system or claim of a storage system."""
    volume = reading.pick(labels, ("persistentvolumeclaim", "pool_id", "pool", "filesystem", "target", "mountpoint"))
    if not volume:
        return None
    namespace = reading.name(labels.get("namespace", "")) if "persistentvolumeclaim" in labels else ""
    system = reading.pick(labels, ("system", "cluster_name")) or target.cluster or host(labels, target)
    return Mention(MentionKind.STORAGE, f"{namespace}/{volume}" if namespace else volume, system)


def target_of(labels: Labels, target: Target) -> Mention | None:
    """What is scraped: `job` of an instance."""
    instance = reading.pick(labels, ("instance",)) or target.host
    return (
        Mention(MentionKind.HOSTNAME, instance, part=f"job/{reading.name(labels.get('job', ''))}") if instance else None
    )


def host(labels: Labels, target: Target) -> str:
    """The machine's name: from the reader, who knows whom it asked, else from the labels."""
    return target.host or reading.host(reading.pick(labels, _HOSTS, lambda value: bool(reading.host(value))))


def _whole_gpu(labels: Labels, target: Target) -> Mention | None:
    if uuid := reading.pick(labels, _UUIDS):
        return Mention(MentionKind.GPU_UUID, uuid)
    if serial := reading.pick(labels, ("serial_number", "serial")):
        return mentions.serial(_maker(labels), serial)
    machine = host(labels, target)
    if not machine:
        return None
    if address := reading.pci_address(reading.pick(labels, ("pci_bus_id", "bus_id", "pci_address"))):
        return Mention(MentionKind.PCI_ADDRESS, address, machine)
    number = reading.index(reading.pick(labels, _INDEXES, lambda value: reading.index(value) is not None))
    return None if number is None else Mention(MentionKind.GPU_INDEX, str(number), machine)


def _maker(labels: Labels) -> str:
    """AMD's exporter calls its boards' makers by PCI vendor or not at all."""
    return reading.pick(labels, ("card_vendor", "vendor", "manufacturer")) or "amd"
