"""An estate is held to a file, and its clusters to their templates: what changed is compared, each drift told once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from estate.drifts import Basis
from estate.frozen import FrozenEstate
from estate.hardware import Node
from estate.ids import ClusterId, NodeId, TemplateId
from estate.items import Item
from estate.stock import Stock
from estate.subjects import Subjects
from estate.uses.clusters import ClusterState, Deployed, Revision, Template, TemplateSort
from tests import builders
from tests.execution.clusters import until
from tools.bus.port import Bus
from tools.bus.streams import streams
from tools.drift import templates
from tools.inventory.desiring import Desired
from tools.inventory.drifts import Drifts, Keeper
from tools.inventory.noticing import everything
from tools.inventory.port import Noticed

type Connect = Callable[[], Awaitable[Bus]]

GPU, MONITORING = TemplateId("gpu-eks"), TemplateId("monitoring")


def template(name: TemplateId = GPU, *revisions: Revision) -> Template:
    """A template; of one valid revision unless told otherwise."""
    made = revisions or (Revision(version="1.2.0", valid=True),)
    return Template(id=name, sort=TemplateSort.CLUSTER, revisions=made)


def cluster(version: str = "1.2.0", *services: Deployed) -> ClusterState:
    """A cluster made from one, which a newer one waits for."""
    made = Deployed(template=GPU, version=version, upgrades_to=("gpu-eks-9",))
    return ClusterState(id=ClusterId("eu-1"), made_from=made, services=services)


def estate(*items: Item, nodes: tuple[Node, ...] | None = None) -> FrozenEstate:
    """The small estate with these items."""
    return builders.estate(nodes=nodes).with_stock(Stock.of(items))


SERVICE = Deployed(template=MONITORING, version="3")


@pytest.mark.parametrize(
    ("items", "found"),
    [
        ((template(), cluster()), []),
        ((template(), cluster("")), []),
        ((cluster(),), [("made_from.template", '"gpu-eks"', None)]),
        ((template(), cluster("1.3.0")), [("made_from.version", '"1.2.0"', '"1.3.0"')]),
        (
            (template(GPU, Revision(version="1"), Revision(version="2")), cluster("3")),
            [("made_from.version", '"1 or 2"', '"3"')],
        ),
        (
            (template(GPU, Revision(version="1.2.0", valid=False)), cluster()),
            [("made_from.valid", '"true"', '"false"')],
        ),
        ((template(), cluster("1.2.0", SERVICE)), [("services[template=monitoring].template", '"monitoring"', None)]),
        ((template(), template(MONITORING, Revision(version="3")), cluster("1.2.0", SERVICE)), []),
    ],
)
def test_a_cluster_is_held_to_its_templates(items: tuple[Item, ...], found: list[tuple[str, str, str | None]]) -> None:
    seen = estate(*items)
    told = [d for c in seen.stock.all("cluster") if isinstance(c, ClusterState) for d in templates.of_cluster(c, seen)]
    assert [(d.path, d.desired, d.observed) for d in told] == found
    assert all(d.basis is Basis.TEMPLATE and d.no_change for d in told)


@pytest.fixture
async def bus(connect_nats: Connect, subjects: Subjects) -> AsyncIterator[Bus]:
    """One connection, with streams declared."""
    made = await connect_nats()
    await made.declare(*streams(subjects))
    yield made
    await made.close()


def cordoned(name: str) -> tuple[Node, ...]:
    """The small estate's nodes, this one fenced."""
    return tuple(n.model_copy(update={"cordoned": n.id == name}) for n in builders.default_nodes())


async def test_what_changes_is_held_to_the_file_and_the_file_to_what_is_there(
    bus: Bus, subjects: Subjects, tmp_path: Path
) -> None:
    path, drifts = tmp_path / "desired.json", await Drifts.open(bus)
    path.write_bytes(builders.world().canonical())

    def begun() -> tuple[Desired, asyncio.Task[None]]:
        keeper = Keeper(bus, subjects, builders.TestClock())
        made = Desired(keeper, path, interval=timedelta(milliseconds=20))
        return made, asyncio.create_task(made.run())

    async def found(*paths: str) -> None:
        async def open_() -> list[str]:
            return [f"{d.about} {d.path}" for d in await drifts.every()]

        await until(open_, lambda told: told == list(paths))

    desired, running = begun()
    before, fenced = estate(template(), cluster()), estate(template(), cluster("1.3.0"), nodes=cordoned("eu-b2"))
    await desired.notice(everything(before))
    await found()
    touched = (NodeId("eu-a1"), NodeId("eu-b2"))
    await desired.notice(Noticed(before, fenced, nodes=touched, items=(cluster().ref,)))
    await found("cluster/eu-1 made_from.version", "node/eu-b2 cordoned")
    path.write_text("{")
    await desired.notice(
        Noticed(fenced, estate(template(), cluster(), nodes=cordoned("eu-b2")), items=(template().ref,))
    )
    await found("node/eu-b2 cordoned")
    path.write_bytes(builders.world(nodes=cordoned("eu-b2")).canonical())
    await found()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await (await Drifts.open(bus)).put(next(templates.of_cluster(cluster("7"), before)))
    desired, running = begun()
    await desired.notice(everything(estate(template(), cluster(), nodes=cordoned("eu-b2"))))
    await found()
    running.cancel()
