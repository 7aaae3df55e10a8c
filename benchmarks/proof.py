"""What it takes to prove a bundle: the shipped rules, and as many more of a house's own as make 50 and 200 policies."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, figure, main
from policies.bundle import SHIPPED, Bundle
from policies.proving.laws import Law
from policies.proving.mutations import report
from policies.proving.proofs import prove

SIZES = (50, 200)
_GROUPS = {"ChangeWorkload": "tenant", "ChangeNode": "who.kind", "ChangeObject": "consent"}


def measure() -> list[Figure]:
    """Processor time of one proof at each size, translation included; and of the mutation report as shipped."""
    found = []
    for size in SIZES:
        law = Law.of(_bundle(size))
        started = time.process_time()
        proof = prove(law)
        taken = time.process_time() - started
        assert proof.holds, proof.broken
        assert len(law.policies) >= size
        found.append(
            figure(f"proof of {size} policies", taken * 1e3, "ms", at_most=1_000 if size == SIZES[0] else None)
        )
    started = time.process_time()
    guards = sum(1 for _ in report(Law.of(Bundle.load()), lambda _: ""))
    found.append(figure(f"mutation report, {guards} guards", time.process_time() - started, "s"))
    return found


def _bundle(size: int) -> Bundle:
    """The shipped rules with rules of a house's own, which forbid what it does not want and permit nothing."""
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(shutil.copytree(SHIPPED, Path(folder) / "rules"))
        missing = range(size - len(Bundle.load().rules))
        (rules / "tier1" / "own.cedar").write_text("\n".join(map(_rule, missing)), encoding="utf-8")
        return Bundle.load(rules)


def _rule(number: int) -> str:
    group, field = [*_GROUPS.items()][number % len(_GROUPS)]
    return (
        f'@id("own-{number}") @dimension("operational") @reason("a house rule") @remedy("ask the house")\n'
        f'forbid(principal, action in Action::"{group}", resource)\n'
        f'when {{ context.{field} == "house-{number}" && !context.missing.contains("{number}") }};\n'
    )


if __name__ == "__main__":
    main("proof", measure)
