"""What is otherwise on the very day of the attack: an estate with a fact that is missing, foreign, ended, or too near.

Each twist changes one part of a generated estate. Facts are put together without the checks of a file, because the law
must hold on any.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from functools import cache
from typing import Any

from hypothesis import strategies as st

from estate import canonical
from estate.facilities.cooling import Loop
from estate.frozen import FrozenEstate
from estate.hardware import Health, Node
from estate.ids import DatasetId, EntityId
from estate.items import Item
from estate.law import ClusterName, DataClass, Facts, Grant, Isolation, Network, Volume
from estate.stock import Stock
from estate.units import Watts
from estate.workloads import Workload
from tests import builders
from tests.builders import START
from tests.hostile.grounds import (
    AGENT,
    ATTACHMENTS,
    CLUSTERS,
    MIND,
    SEEDS,
    TENANTS,
    WIDE,
    countries,
    generated,
    groups,
    registered,
)
from tests.partitioned import managed


class Ground:
    """An estate that is written as what it was made of, so that a failing example can be read."""

    def __init__(self, seed: int, twists: list[str], estate: FrozenEstate) -> None:
        self.seed, self.twists, self.estate = seed, twists, estate

    def __repr__(self) -> str:
        return f"estate {self.seed} with {self.twists}"


@st.composite
def estates(draw: st.DrawFn) -> Ground:
    """One of the estates with up to three things otherwise."""
    seed = draw(st.integers(0, SEEDS - 1))
    made = generated(seed)
    parts, twists = _Parts(made.facts, _managed(seed), made.world.workloads, made.items), list[str]()
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2, 3]))):
        twist = draw(st.sampled_from(_TWISTS))
        parts = twist(draw, parts)
        twists.append(twist.__name__.strip("_"))
    estate = FrozenEstate.of(builders.version(), parts.facts, parts.nodes, parts.work)
    stock = _stocked(seed) if parts.items is made.items else Stock.of((*parts.items, *groups()))
    return Ground(seed, twists, estate.with_stock(stock))


@cache
def _managed(seed: int) -> tuple[Node, ...]:
    """Each with a partition manager that was told nothing else yet."""
    return tuple(map(managed, generated(seed).world.nodes))


@cache
def _stocked(seed: int) -> Stock:
    return Stock.of((*generated(seed).items, *groups()))


class _Parts:
    """What an estate is put together from."""

    def __init__(self, facts: Facts, nodes: Iterable[Node], work: Iterable[Workload], items: tuple[Item, ...]) -> None:
        self.facts, self.nodes, self.work, self.items = facts, tuple(nodes), tuple(work), items

    def law(self, **update: Any) -> _Parts:
        return _Parts(self.facts.model_copy(update=update), self.nodes, self.work, self.items)

    def one(self, draw: st.DrawFn, field: str, **update: Any) -> _Parts:
        """The facts with one thing of that field otherwise."""
        return self.law(**{field: _one(draw, getattr(self.facts, field), update)})

    def node(self, draw: st.DrawFn, **update: Any) -> _Parts:
        return _Parts(self.facts, _one(draw, self.nodes, update), self.work, self.items)

    def worked(self, draw: st.DrawFn, **update: Any) -> _Parts:
        return _Parts(self.facts, self.nodes, _one(draw, self.work, update), self.items)

    def promised(self, draw: st.DrawFn, **update: Any) -> _Parts:
        """One workload was promised something else."""
        number = draw(st.integers(0, len(self.work) - 1))
        contract = self.work[number].contract.model_copy(update=update)
        work = (w.model_copy(update={"contract": contract}) if n == number else w for n, w in enumerate(self.work))
        return _Parts(self.facts, self.nodes, work, self.items)


def _one(draw: st.DrawFn, things: tuple[Any, ...], update: dict[str, Any]) -> tuple[Any, ...]:
    if not things:
        return things
    chosen = draw(st.integers(0, len(things) - 1))
    return tuple(t.model_copy(update=update) if n == chosen else t for n, t in enumerate(things))


_FEW = st.lists(st.sampled_from(countries(*WIDE)), max_size=2, unique=True).map(tuple)
_WHO = st.sampled_from([EntityId(e) for e in ("us-cloud", "hosting", "franco", "corvus")])


def _hands(draw: st.DrawFn, parts: _Parts) -> _Parts:
    role = draw(st.sampled_from(["operator", "key_holder", "update_authority", "stop_authority"]))
    return parts.one(draw, "clusters", **{role: draw(_WHO)})


def _acting(draw: st.DrawFn, parts: _Parts) -> _Parts:
    return parts.one(
        draw, "clusters", **{draw(st.sampled_from(["admins_in", "support_in", "control_plane_in"])): draw(_FEW)}
    )


def _resting(draw: st.DrawFn, parts: _Parts) -> _Parts:
    return parts.one(
        draw, "sites", **{draw(st.sampled_from(["replicas_in", "backups_in", "telemetry_in"])): draw(_FEW)}
    )


def _owned(draw: st.DrawFn, parts: _Parts) -> _Parts:
    return parts.one(draw, "entities", **draw(st.sampled_from([{"parents": (EntityId("us-cloud"),)}, {"parents": ()}])))


def _limited(draw: st.DrawFn, parts: _Parts) -> _Parts:
    axis, field = draw(st.sampled_from(["geographic", "legal", "operational", "key"])), draw(st.sampled_from(_LIMITED))
    limits = builders.residency(*WIDE).model_copy(update={axis: draw(_FEW)})
    return parts.one(draw, field, residency=limits)


_LIMITED = ("tenants", "datasets")


def _parted(draw: st.DrawFn, parts: _Parts) -> _Parts:
    far = {"isolation": draw(st.sampled_from(list(Isolation)))}
    return parts.one(draw, "tenants", **draw(st.sampled_from([far, {"apart_from": (draw(st.sampled_from(TENANTS)),)}])))


def _unnamed(draw: st.DrawFn, parts: _Parts) -> _Parts:
    """A tenant without a namespace, or a rack without its nodes."""
    field, named = draw(st.sampled_from([("tenants", "namespaces"), ("racks", "nodes")]))
    return parts.one(draw, field, **{named: ()})


def _lent(draw: st.DrawFn, parts: _Parts) -> _Parts:
    ends = START + timedelta(minutes=draw(st.sampled_from([0, 1, 30, 100_000])))
    where = draw(st.sampled_from([(), CLUSTERS[:1], CLUSTERS[1:2]]))
    to = draw(st.sampled_from(TENANTS[:3]))
    grant = Grant(dataset=DatasetId("borel-scans"), to=to, basis="DPA-8", valid_until=ends, clusters=where)
    return parts.law(grants=draw(st.sampled_from([(), (grant,)])))


def _registered(draw: st.DrawFn, parts: _Parts) -> _Parts:
    """Who thinks here is registered: the model for some tenants, the agent perhaps under another name, another build,
    for fewer, or for a time that has ended.
    """
    model = builders.registration(MIND, tenants=draw(st.sampled_from([TENANTS[:1], TENANTS, ()])))
    name = draw(st.sampled_from([AGENT.name, "agent-l"]))
    odd: list[dict[str, Any]] = [
        {},
        {"content": canonical.digest(b"another build")},
        {"tenants": TENANTS[:1]},
        {"data_classes": (DataClass.PUBLIC,)},
        {"valid_until": START},
    ]
    agent = registered(name, **draw(st.sampled_from(odd)))
    return parts.law(registrations=draw(st.sampled_from([(model,), (model, agent), (model, registered())])))


def _by_agent(draw: st.DrawFn, parts: _Parts) -> _Parts:
    return parts.law(author=draw(st.sampled_from([AGENT.name, "otto"])))


def _ended(draw: st.DrawFn, parts: _Parts) -> _Parts:
    return parts.law(valid_until=draw(st.sampled_from([START, START + timedelta(days=3)])))


def _broken(draw: st.DrawFn, parts: _Parts) -> _Parts:
    return parts.node(draw, **draw(st.sampled_from([{"health": Health.FAILED}, {"cordoned": True}])))


def _capped(draw: st.DrawFn, parts: _Parts) -> _Parts:
    return parts.one(draw, "racks", power_budget_watts=Watts(draw(st.sampled_from([1, 9_000, 24_000, 40_000]))))


def _ganged(draw: st.DrawFn, parts: _Parts) -> _Parts:
    name = draw(st.sampled_from(["job", "job-2"]))
    return parts.worked(draw, gangs=(builders.gang(name),))


def _elsewhere(draw: st.DrawFn, parts: _Parts) -> _Parts:
    return parts.worked(draw, namespace=draw(st.sampled_from([*TENANTS, "kube-system", "nobody"])))


def _costly(draw: st.DrawFn, parts: _Parts) -> _Parts:
    """Everything was promised to cost no more than that."""
    ceiling = {"cost_ceiling": draw(st.sampled_from([0, 1, 10_000_000, 10**9]))}
    work = (w.model_copy(update={"contract": w.contract.model_copy(update=ceiling)}) for w in parts.work)
    return _Parts(parts.facts, parts.nodes, work, parts.items)


def _kept(draw: st.DrawFn, parts: _Parts) -> _Parts:
    return parts.promised(draw, min_available=draw(st.integers(0, 3)))


def _hot(draw: st.DrawFn, parts: _Parts) -> _Parts:
    """What carries heat away carries little."""
    watts = Watts(draw(st.sampled_from([0, 40_000, 80_000])))
    items = (i.model_copy(update={"capacity_watts": watts}) if isinstance(i, Loop) else i for i in parts.items)
    return _Parts(parts.facts, parts.nodes, parts.work, tuple(items))


def _attached(draw: st.DrawFn, parts: _Parts) -> _Parts:
    """Work mounts a share or joins a network; facts say whose these are, or not, and join some machines to one."""
    whose = st.sampled_from(
        [{}, {"everybody": True}, {"tenants": TENANTS[:1]}, {"tenants": TENANTS[:2]}, {"tenants": TENANTS}]
    )
    lake = tuple(ClusterName(cluster=c, name="nfs/10.0.0.7/lake") for c in CLUSTERS[: draw(st.integers(0, 3))])
    joined = tuple(n.id for n in draw(st.sampled_from([(), parts.nodes[:2], parts.nodes[-4:]])))
    named = tuple(ClusterName(cluster=c, name=f"namespace/{draw(st.sampled_from(TENANTS))}") for c in CLUSTERS)
    volume = Volume(id="lake", names=lake, **draw(whose))
    network = Network(id="rails", nodes=joined, names=draw(st.sampled_from([(), named])), **draw(whose))
    held = draw(st.lists(st.sampled_from(ATTACHMENTS), max_size=2, unique=True).map(tuple))
    work = tuple(w.model_copy(update={"attachments": held}) if draw(st.booleans()) else w for w in parts.work)
    return _Parts(parts.law(volumes=(volume,), networks=(network,)).facts, parts.nodes, work, parts.items)


def _counted(draw: st.DrawFn, parts: _Parts) -> _Parts:
    return parts.worked(draw, counted=True)


_TWISTS = (
    _attached,
    _attached,
    _hands,
    _acting,
    _resting,
    _owned,
    _limited,
    _parted,
    _unnamed,
    _lent,
    _registered,
    _by_agent,
    _ended,
    _broken,
    _capped,
    _ganged,
    _elsewhere,
    _costly,
    _costly,
    _kept,
    _hot,
    _counted,
)
