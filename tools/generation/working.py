"""The workloads of a generated estate out of their seats, with what they were promised and what serves them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

from estate.ids import ContractId, DatasetId, ModelServerId, TenantId, Uid, WorkloadId
from estate.items import Item
from estate.law import Facts
from estate.units import Mebibytes, Millicores, PerMille
from estate.uses.promises import Contract, Measure, Objective
from estate.uses.running import Engine, ModelServer
from estate.workloads import Binding, Workload, WorkloadContract, WorkloadKind
from tools.generation.layouts import Layout
from tools.generation.seating import Seat
from tools.kubernetes import naming

_MOST_REPLICAS = 8
_KINDS = (WorkloadKind.INFERENCE, WorkloadKind.INFERENCE, WorkloadKind.TRAINING, WorkloadKind.BATCH)


def workloads(layout: Layout, seats: Iterable[Seat]) -> Iterator[Workload]:
    """Equal seats of one tenant in one cluster, a few at a time, are one workload."""
    alike: dict[tuple[TenantId, str, str, int], list[Seat]] = {}
    for seat in seats:
        key = (seat.tenant, seat.cluster, seat.product.model, len(seat.devices))
        alike.setdefault(key, []).append(seat)
    numbers: dict[tuple[TenantId, str], int] = {}
    fixed = {w.id for w in layout.work}
    for (tenant, cluster, _, _), group in sorted(alike.items(), key=lambda pair: pair[0]):
        draw = layout.draw(f"work/{tenant}/{cluster}/{group[0].product.name}/{len(group[0].devices)}")
        for chosen in _parts(group, draw):
            number = numbers[tenant, cluster] = numbers.get((tenant, cluster), 0) + 1
            made = _workload(layout.facts, number, chosen, draw)
            if made.id not in fixed:
                yield made


def _parts(group: list[Seat], draw: Random) -> Iterator[list[Seat]]:
    start = 0
    while start < len(group):
        end = start + draw.randint(1, _MOST_REPLICAS)
        yield group[start:end]
        start = end


def _workload(facts: Facts, number: int, seats: list[Seat], draw: Random) -> Workload:
    first, kind = seats[0], draw.choice(_KINDS)
    namespace = next(n.name for n in facts.tenant[first.tenant].namespaces if n.cluster == first.cluster)
    name = f"{kind.value}-{number:03}"
    serves = kind is WorkloadKind.INFERENCE and len(seats) > 1
    return Workload(
        id=naming.workload_id(first.cluster, namespace, "Deployment", name),
        uid=Uid(f"uid-{first.cluster}-{namespace}-{name}"),
        tenant=first.tenant,
        cluster=first.cluster,
        namespace=namespace,
        name=name,
        kind=kind,
        contract=WorkloadContract(
            accelerators_per_replica=len(first.devices),
            models=(first.product.model,),
            memory_mebibytes=Mebibytes(first.product.memory * 9 // 10),
            min_available=len(seats) - 1 if serves else 0,
            millicores=Millicores(8_000 * len(first.devices)),
            host_mebibytes=Mebibytes(98_304 * len(first.devices)),
        ),
        replicas=len(seats),
        watts_per_accelerator=first.product.device_watts,
        bindings=tuple(Binding(replica=n, node=s.node, accelerators=s.devices) for n, s in enumerate(seats)),
    )


def with_data(facts: Facts, workload: Workload) -> Workload:
    """The workload with its tenant's own weights or records, where the tenant has any."""
    sort = "weights" if workload.kind is WorkloadKind.INFERENCE else "records"
    name = DatasetId(f"{workload.tenant}-{sort}")
    return workload.model_copy(update={"datasets": (name,)}) if name in facts.dataset else workload


def promises(layout: Layout, workloads: Iterable[Workload]) -> Iterator[Item]:
    """What inference was promised, and the server that keeps it."""
    for workload in workloads:
        if workload.kind is WorkloadKind.INFERENCE:
            draw = layout.draw(f"promises/{workload.id}")
            yield _contract(workload, draw)
            yield _server(workload, draw)


def _contract(workload: Workload, draw: Random) -> Contract:
    return Contract(
        id=ContractId(workload.id),
        workload=WorkloadId(workload.id),
        tenant=workload.tenant,
        objectives=(
            Objective(measure=Measure.TTFT, bound=draw.choice((200, 300, 500)), holds=PerMille(990)),
            Objective(measure=Measure.AVAILABILITY, bound=draw.choice((990, 995, 999)), holds=PerMille(1000)),
        ),
    )


def _server(workload: Workload, draw: Random) -> ModelServer:
    return ModelServer(
        id=ModelServerId(workload.id),
        workload=workload.id,
        engine=draw.choice((Engine.VLLM, Engine.SGLANG, Engine.TRITON)),
        model=next(iter(workload.datasets), None),
        context_tokens=draw.choice((8_192, 32_768, 131_072)),
    )
