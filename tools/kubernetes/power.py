"""What accelerators and their machines draw at most, by model: a small table of the makers' public figures.

An upper bound on purpose: it is held against rack budgets, and a measured figure (a power cap, a meter) is better than
any row here. Where no row fits, the default is that of the hungriest boards that are common, so that an unknown
device is never taken for a modest one.

Sources: the makers' data sheets (thermal design or maximum board power). `beside` is what a machine draws besides its
accelerators, by device: (maximum of the maker's own system − accelerators) / accelerators, from the user guides of
DGX A100 (6.5 kW), DGX H100 and H200 (10.2 kW), DGX B200 (14.3 kW).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from estate.units import Watts


@dataclass(frozen=True, slots=True)
class Draw:
    """The most one device draws, and the most its machine draws besides, by device."""

    device: int
    beside: int = 100


UNKNOWN = Draw(1_000, 600)
HOST = Watts(500)
"""A machine with few or no accelerators: two sockets, memory, fans."""

# The first row whose words all occur in the model's name, in this order of rows.
_TABLE: tuple[tuple[str, Draw], ...] = (
    ("GB300", Draw(1_400, 700)),
    ("GB200", Draw(1_200, 700)),
    ("B300", Draw(1_400, 790)),
    ("B200", Draw(1_000, 790)),
    ("GH200", Draw(1_000, 300)),
    ("H200 NVL", Draw(600)),
    ("H200", Draw(700, 575)),
    ("H100 NVL", Draw(400)),
    ("H100 PCIE", Draw(350)),
    ("H100", Draw(700, 575)),
    ("A100 PCIE 40GB", Draw(250)),
    ("A100 PCIE", Draw(300)),
    ("A100", Draw(400, 415)),
    ("L40S", Draw(350)),
    ("L40", Draw(300)),
    ("L4", Draw(72)),
    ("A10G", Draw(300)),
    ("A10", Draw(150)),
    ("A30", Draw(165)),
    ("A40", Draw(300)),
    ("A6000", Draw(300)),
    ("T4", Draw(70)),
    ("V100 SXM2", Draw(300, 200)),
    ("V100 SXM3", Draw(350, 275)),
    ("V100", Draw(250)),
    ("P100", Draw(250)),
    ("MI355X", Draw(1_400, 600)),
    ("MI325X", Draw(1_000, 600)),
    ("MI300X", Draw(750, 600)),
    ("MI300A", Draw(760, 300)),
    ("MI250X", Draw(560, 200)),
    ("MI250", Draw(560, 200)),
    ("MI210", Draw(300)),
    ("GAUDI3", Draw(900, 500)),
    ("GAUDI2", Draw(600, 400)),
)
_WORDS = re.compile(r"[^A-Z0-9.]+")
_SLICE = re.compile(r"MIG-([1-7])g\.")


def draw(model: str, shared: int = 1) -> Draw:
    """What one device of that model draws at most; `shared` devices are one board, sliced in time.

    A MIG slice draws its share of seven.
    """
    words = set(_WORDS.split(model.upper()))
    whole = next((row for name, row in _TABLE if words.issuperset(name.split())), UNKNOWN)
    found = _SLICE.search(model)
    parts, whole_parts = (int(found[1]), 7) if found else (1, 1)
    divisor = whole_parts * max(shared, 1)
    return Draw(-(-whole.device * parts // divisor), -(-whole.beside * parts // divisor))


def idle(beside: int, devices: int) -> Watts:
    """What a machine of so many such devices draws besides their work."""
    return Watts(max(HOST, beside * devices))
