"""How long to pause before the same call to an API server is tried again: longer each time, jittered, and never shorter
than the server asks for. Called by whoever watches a cluster, the inventory's source and the executor's waits.
"""

from __future__ import annotations

from collections.abc import Callable

from tenacity import RetryCallState, wait_exponential_jitter

from tools.kubernetes import faults


def pauses(first: float, longest: float) -> Callable[[RetryCallState], float]:
    """The pause after each attempt, in seconds, for tenacity."""
    growing = wait_exponential_jitter(multiplier=first, max=longest, jitter=first)

    def pause(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        ours = growing(state)
        return max(ours, error.after) if isinstance(error, faults.Overloaded) else ours

    return pause
