"""Sizes of what is asked for: whole accelerators, slices that are asked for by name, shares of one. For `devices`."""

from __future__ import annotations

import numpy as np

from estate.verdicts import Dimension
from estate.workloads import WHOLE, WorkloadContract
from tools.placement.attempts import Attempt
from tools.placement.columns import Columns, Flags
from tools.placement.constraints.kinds import Constraint
from tools.placement.constraints.rules import Refused, Rule, Words, chosen
from tools.placement.wishes import Wish


def matters(wish: Wish) -> bool:
    """Whether anything here has another size than what is asked for: most fleets have whole devices only."""
    return wish.shared or any(p != wish.workload.contract.profile for p in wish.columns.profiles)


def of_size(wish: Wish, everything: Flags, *, relaxed: bool) -> Flags:
    """The devices of the asked size; `relaxed`: those of the size that would be asked for instead."""
    if not matters(wish):
        return everything
    c, contract = wish.columns, wish.workload.contract
    found: Flags = c.profile == _number(c, instead(wish).profile if relaxed else contract.profile)
    if not wish.shared:
        return found
    return found & (c.milli >= WHOLE) if relaxed else found & c.shares


def instead(wish: Wish) -> WorkloadContract:
    """The contract with the size that there is most of: whole ones for a share, else another slice, or whole ones."""
    c, contract = wish.columns, wish.workload.contract
    if wish.shared:
        return contract.model_copy(update={"share": None})
    counts = np.bincount(c.profile[c.exists], minlength=len(c.profiles))
    others = [n for n, name in enumerate(c.profiles) if name != contract.profile]
    most = max(others, key=lambda n: (int(counts[n]), -n))
    return contract.model_copy(update={"profile": c.profiles[most]})


def _number(columns: Columns, profile: str) -> int:
    return columns.profiles.index(profile) if profile in columns.profiles else len(columns.profiles)


def called(contract: WorkloadContract) -> str:
    """What is asked for, in the plural."""
    if contract.share is not None:
        return f"shares of {contract.share} thousandths of an accelerator"
    return f"slices `{contract.profile}`" if contract.profile else "accelerators"


def _words(by: Refused) -> Words:
    c, wanted = by.wish.columns, called(by.wish.workload.contract)
    found = sorted(
        {c.profiles[p] or "whole accelerators" for p in np.unique(c.profile[by.refused][c.exists[by.refused]])}
    )
    unshared = " that nobody may share" if by.wish.shared else ""
    return f"{by.wish.needed} {wanted}", f"{', '.join(found)}{unshared}", "accept another size, or cut a device so"


def _relaxed(wish: Wish, attempt: Attempt) -> str:
    return f"accept {called(instead(wish))}; {chosen(wish, attempt)} would do"


RULES = (
    Rule(Constraint.SIZE, _words, _relaxed, "accelerators of the size that your contract asks for", Dimension.CONTRACT),
)
