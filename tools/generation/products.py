"""The machines that generated racks are filled with: one product a rack, several vendors and generations.

Devices, memory and power are from the makers' data sheets; what a machine draws besides its accelerators is
`tools.kubernetes.power`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

from estate.devices import Vendor
from estate.facilities.places import CoolingMethod
from estate.units import Mebibytes, MegabitsPerSecond, Watts
from tools.kubernetes import power


@dataclass(frozen=True, slots=True)
class Product:
    """A machine as it is sold."""

    name: str
    vendor: Vendor
    generation: str
    model: str
    """Of each accelerator, as its label on a node would be."""
    memory: Mebibytes
    devices: int
    nodes_per_rack: int
    spans_rack: bool
    """Whether one NVLink (or ICI, or Infinity Fabric) domain is the whole rack; else it is a node, if `linked`."""
    linked: MegabitsPerSecond | None
    """What one device reaches the others of its domain with."""
    cooling: CoolingMethod
    driver: str
    share: int
    """How common it is, relative to the others."""

    @property
    def device_watts(self) -> Watts:
        """The most one device draws."""
        return Watts(power.draw(self.model).device)

    @property
    def idle_watts(self) -> Watts:
        """What the rest of a machine draws."""
        return power.idle(power.draw(self.model).beside, self.devices)

    @property
    def node_watts(self) -> Watts:
        """The most one machine draws."""
        return Watts(self.idle_watts + self.devices * self.device_watts)


_AIR, _LIQUID, _DOOR = CoolingMethod.AIR, CoolingMethod.DIRECT_TO_CHIP, CoolingMethod.REAR_DOOR
_NVLINK4, _NVLINK5 = MegabitsPerSecond(3_600_000), MegabitsPerSecond(7_200_000)


def _product(  # noqa: PLR0913, PLR0917 - a row of a table
    name: str,
    vendor: Vendor,
    generation: str,
    model: str,
    memory: int,
    shape: tuple[int, int],
    linked: int | None,
    cooling: CoolingMethod,
    driver: str,
    share: int,
) -> Product:
    devices, nodes = shape
    link = None if linked is None else MegabitsPerSecond(linked)
    spans = nodes > 8 and linked is not None
    return Product(
        name, vendor, generation, model, Mebibytes(memory), devices, nodes, spans, link, cooling, driver, share
    )


PRODUCTS = (
    _product(
        "dgx-h100", Vendor.NVIDIA, "hopper", "NVIDIA-H100-80GB-HBM3", 81_559, (8, 4), _NVLINK4, _AIR, "580.95.05", 30
    ),
    _product("hgx-h200", Vendor.NVIDIA, "hopper", "NVIDIA-H200", 143_771, (8, 4), _NVLINK4, _DOOR, "580.95.05", 15),
    _product(
        "gb200-nvl72", Vendor.NVIDIA, "blackwell", "NVIDIA-GB200", 189_471, (4, 18), _NVLINK5, _LIQUID, "580.95.05", 10
    ),
    _product(
        "dgx-a100", Vendor.NVIDIA, "ampere", "NVIDIA-A100-SXM4-80GB", 81_920, (8, 4), 2_400_000, _AIR, "570.172.08", 15
    ),
    _product("l40s-server", Vendor.NVIDIA, "ada", "NVIDIA-L40S", 46_068, (4, 8), None, _AIR, "570.172.08", 10),
    _product(
        "mi300x-server", Vendor.AMD, "cdna3", "AMD-Instinct-MI300X", 196_592, (8, 4), 3_584_000, _DOOR, "6.14.5", 10
    ),
    _product("gaudi3-server", Vendor.INTEL, "gaudi3", "Gaudi3-HL-325L", 131_072, (8, 4), 4_200_000, _AIR, "1.22.1", 5),
    _product(
        "tpu-v5p-host", Vendor.GOOGLE, "v5p", "tpu-v5p-slice", 97_280, (4, 16), 4_800_000, _LIQUID, "libtpu-0.0.21", 5
    ),
)
