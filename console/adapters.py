"""What stands around the adapters that the composition root makes: nothing, unless somebody asks for it.

The composition root passes each adapter through here once. Tests put decorators of the same port in between, so that a
process can be slowed down or killed at a point of their choice while everything that ships stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the ports of minds and targets load the models of what stands behind them
    from agents.checkpoints.port import Shelf
    from agents.minds.port import Mind
    from policies.ledger.port import Ledger
    from tools.bus.port import Bus
    from tools.execution.port import Target


def _as_it_is[T](adapter: T) -> T:
    return adapter


@dataclass(frozen=True, slots=True)
class Adapters:
    """What each port's adapter is replaced by."""

    bus: Callable[[Bus], Bus] = _as_it_is
    ledger: Callable[[Ledger], Ledger] = _as_it_is
    shelf: Callable[[Shelf], Shelf] = _as_it_is
    target: Callable[[Target], Target] = _as_it_is
    mind: Callable[[Mind], Mind] = _as_it_is


PLAIN = Adapters()
"""Every adapter as it is."""
