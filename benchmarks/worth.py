"""What the fleet's report costs, and what it costs to tell what everything scarce is worth.

    python -m benchmarks.worth

A generated estate of 728 racks, some 4 600 nodes, three quarters busy, in which three workloads wait for each rack: of
32 tenants and 17 data sets, of 1 to 8 accelerators, every eighth a share of one. So there are some two thousand kinds
of work, where a fleet of people's has tens. Processor time, loading the solver included.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from random import Random

from benchmarks import assurance
from benchmarks.figures import Figure, figure, main
from estate.frozen import FrozenEstate
from estate.ids import Uid, WorkloadId
from estate.workloads import Workload
from tools.placement.engine import MaskEngine
from tools.placement.fleets import accounts

RACKS = int(os.environ.get("PLACET_BENCH_RACKS", "728"))
_EACH, _SIZES, _SHARES = 3, (1, 1, 2, 4, 8), (125, 250, 500)
_GOAL = 10.0


def estate(racks: int, seed: int = 7) -> FrozenEstate:
    """So many racks, and what waits there is like what runs, but for its size."""
    made, chance = assurance.estate(racks, 400, seed), Random(seed)
    likes = sorted(made.workloads(), key=lambda w: w.id)
    for workload in _waiting(likes, _EACH * racks, chance):
        made = made.with_workload(workload)
    return made


def _waiting(likes: list[Workload], count: int, chance: Random) -> Iterator[Workload]:
    for number in range(count):
        like, size = chance.choice(likes), chance.choice(_SIZES)
        share = chance.choice(_SHARES) if number % 8 == 0 else None
        over = {"accelerators_per_replica": 1 if share else size, "share": share, "min_available": 0}
        name = f"waits-{number}"
        own = {"id": WorkloadId(name), "uid": Uid(name), "name": name, "replicas": chance.randrange(1, 9)}
        contract = like.contract.model_copy(update=over)
        yield like.model_copy(update={**own, "contract": contract, "bindings": (), "gangs": ()})


def measure() -> list[Figure]:
    """The report without and with what things are worth."""
    made, engine = estate(RACKS), MaskEngine()
    engine.columns_of(made)
    began = time.process_time()
    accounts.report(engine, made)
    plain = time.process_time() - began
    began = time.process_time()
    found = accounts.report(engine, made, with_worth=True).worth
    whole = time.process_time() - began
    assert found is not None, "it was asked for"
    asked = sum(good.solved_milli is not None for good in found.goods)
    return [
        figure("nodes", sum(1 for _ in made.nodes()), "nodes"),
        figure("workloads", sum(1 for _ in made.workloads()), "workloads"),
        figure("the report without worth", plain, "s"),
        figure("the report with worth", whole, "s", at_most=_GOAL),
        figure("scarce things", len(found.goods), "goods"),
        figure("of them asked again", asked, "goods"),
        figure("as it stands: at work, of the bound", found.at_work / max(found.as_it_stands, 1), "of 1"),
    ]


if __name__ == "__main__":
    main("worth", measure)
