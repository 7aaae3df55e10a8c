"""The demo's estate, generated around the plan beside this file. `placet init` takes it where no files are named.

Two sites under two jurisdictions, three tenants, racks with power budgets, 256 accelerators: the plan fixes what the
story needs, the seed does the rest. The same for everybody but for the day on which its law ends.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path

from estate.ids import NodeId, Uid, WorkloadId
from estate.law import Facts
from estate.workloads import Binding, Workload, WorkloadKind
from estate.worlds import World
from tools.generation.estates import generate
from tools.generation.plans import Plan
from tools.inventory import files

SEED = 7
_ANY_DAY = datetime.fromisoformat("2099-12-31T00:00:00Z")
"""When the law ends stands in no world."""


@cache
def plan() -> Plan:
    """What is fixed."""
    file = Path(__file__).with_name("plan.yaml")
    return files.parse(Plan, file.read_bytes(), str(file))


def facts(valid_until: datetime) -> Facts:
    """The law base."""
    return plan().layout(SEED, valid_until).facts


@cache
def world() -> World:
    """What is observed at the start: every node healthy, some busy."""
    return generate(plan().layout(SEED, _ANY_DAY)).world


def power_hungry_job() -> Workload:
    """The job that somebody else starts in rack `eu-b` while a plan for that rack is rehearsed: as `c-planner`."""
    like = next(w for w in world().workloads if w.name == "c-planner")
    name, (seat,) = "c-finetune", like.bindings
    home = Binding(replica=0, node=NodeId("eu-b3"), accelerators=seat.accelerators)
    told = {"id": WorkloadId(name), "uid": Uid(f"uid-{like.cluster}-{like.namespace}-{name}"), "name": name}
    return like.model_copy(update={**told, "kind": WorkloadKind.FINE_TUNING, "bindings": (home,)})
