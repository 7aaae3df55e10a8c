"""Makers of accelerators as clusters know them: extended resources, device drivers, and the labels of their tools.

Called by `features` and `devices` beside it, and by `tools.kubernetes`, so that a vendor is a row here and nowhere
else. Resources that count the same devices once more (cores of a chip) have no row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from estate.devices import Vendor


@dataclass(frozen=True, slots=True)
class Family:
    """One extended resource, and the labels in which its vendor's tools write what the device is."""

    vendor: Vendor
    resource: str
    unnamed: str
    """The model where no label tells it."""
    models: tuple[str, ...] = ()
    memories: tuple[str, ...] = ()
    """Without a unit it is mebibytes."""
    generations: tuple[str, ...] = ()
    replicas: str = ""
    """How many allottable devices are one board."""
    profile: str = ""
    """How a board is cut whose slices are counted, each as a device."""

    def cut(self, resource: str) -> str:
        """The size that a pod asks for by that name; empty where it is the usual one."""
        return self.profile or (SHARED if resource in _SHARED else "")


FAMILIES = (
    Family(
        Vendor.NVIDIA,
        "nvidia.com/gpu",
        "nvidia-gpu",
        ("nvidia.com/gpu.product",),
        ("nvidia.com/gpu.memory",),
        ("nvidia.com/gpu.family",),
        "nvidia.com/gpu.replicas",
    ),
    Family(
        Vendor.AMD,
        "amd.com/gpu",
        "amd-gpu",
        ("amd.com/gpu.product-name", "beta.amd.com/gpu.product-name"),
        ("amd.com/gpu.vram", "beta.amd.com/gpu.vram"),
        ("amd.com/gpu.family", "beta.amd.com/gpu.family"),
    ),
    Family(Vendor.INTEL, "habana.ai/gaudi", "gaudi", ("habana.ai/gaudi.product",)),
    Family(Vendor.GOOGLE, "google.com/tpu", "tpu", ("cloud.google.com/gke-tpu-accelerator",)),
    Family(Vendor.INTEL, "gpu.intel.com/xe", "intel-gpu", ("gpu.intel.com/product",), ("gpu.intel.com/memory.max",)),
    Family(Vendor.INTEL, "gpu.intel.com/i915", "intel-gpu", ("gpu.intel.com/product",), ("gpu.intel.com/memory.max",)),
    Family(Vendor.AWS, "aws.amazon.com/neuron", "neuron"),
    Family(Vendor.HUAWEI, "huawei.com/Ascend910", "Ascend910"),
)
"""Those that have one resource for all of their devices."""
BY_RESOURCE: Mapping[str, Family] = {f.resource: f for f in FAMILIES}
_ORDER = {f.resource: place for place, f in enumerate(FAMILIES)}
MODEL_LABELS = frozenset(label for f in FAMILIES for label in f.models)

_MIG = re.compile(r"nvidia\.com/mig-(\d{1,2}g\.\d{1,4}gb(?:\.me)?)", re.ASCII)
"""With the strategy `mixed`, each size of slice is a resource of its own, with labels of its own."""
_OF_CLASS = "deviceclass.resource.kubernetes.io/"
"""A device class may be asked for as if it were counted."""
_SHARED = {"nvidia.com/gpu.shared": "nvidia.com/gpu"}
"""Time-sliced devices may be counted under another name."""
SHARED = "shared"
"""What those are called that must be asked for so."""
_MAKERS = {
    "nvidia": Vendor.NVIDIA,
    "amd": Vendor.AMD,
    "intel": Vendor.INTEL,
    "habana": Vendor.INTEL,
    "google": Vendor.GOOGLE,
    "amazon": Vendor.AWS,
    "aws": Vendor.AWS,
    "huawei": Vendor.HUAWEI,
}
_COMPUTES = re.compile(r"(?:gpu|mig|tpu|gaudi|hpu|npu|neuron)\.[a-z0-9.\-]{1,200}", re.ASCII)
"""Drivers and classes of devices that compute, by their first label; those of networks or processors are others'."""


def family(resource: str) -> Family | None:
    """The family of devices that are counted as `resource`; None where they are no accelerators that we know."""
    found = BY_RESOURCE.get(_SHARED.get(resource, resource))
    if found is not None:
        return found
    if cut := _MIG.fullmatch(resource):
        return _slices(resource, cut[1])
    name = resource.removeprefix(_OF_CLASS)
    maker = of_driver(name) if name != resource else None
    return None if maker is None else Family(maker, resource, f"{maker.value}-device")


def counted(resources: Iterable[str]) -> Iterator[tuple[str, Family]]:
    """Those of the resources that count accelerators, in the order of the families."""
    known = [(name, found) for name in resources if (found := family(name)) is not None]
    yield from sorted(known, key=lambda k: (_ORDER.get(k[1].resource, 0), k[0]))


def of_driver(driver: str) -> Vendor | None:
    """Who makes the accelerators of that device driver (or device class); None where it drives no accelerators."""
    if _COMPUTES.fullmatch(driver) is None:
        return None
    return next((maker for name, maker in _MAKERS.items() if name in driver.split(".")), Vendor.OTHER)


def _slices(resource: str, profile: str) -> Family:
    return Family(
        Vendor.NVIDIA,
        resource,
        "nvidia-gpu",
        (f"{resource}.product", "nvidia.com/gpu.product"),
        (f"{resource}.memory",),
        ("nvidia.com/gpu.family",),
        f"{resource}.replicas",
        profile,
    )
