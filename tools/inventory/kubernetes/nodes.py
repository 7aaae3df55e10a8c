"""The nodes of one cluster as the estate has them: as they were read, with devices by name, as silent as they are.

Called by `modelling`. What was read of a node is kept, so that it can be made anew when a driver offers other devices
on it, or its kubelet falls silent. In memory, no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from estate.hardware import Node
from estate.ids import NodeId
from tools.inventory.kubernetes.equipment import Equipment
from tools.inventory.kubernetes.heartbeats import Beat, Heartbeats
from tools.kubernetes import equipping, nodes, resources
from tools.kubernetes.nodes import Reading
from tools.kubernetes.numbering import Numbering
from tools.kubernetes.requirements import Room
from tools.payloads.facts import mentions


class NodeBook:
    """One cluster's. One task alone uses it."""

    def __init__(
        self,
        source: str,
        equipment: Equipment,
        numbering: Numbering,
        drawn: Callable[[str], None],
        met: Callable[[str], None],
    ) -> None:
        """`drawn` is told the name of a node on which a device draws otherwise now, `met` the provider id of one that
        came or went.
        """
        self.heartbeats = Heartbeats()
        self._source, self._equipment, self._numbering = source, equipment, numbering
        self._drawn, self._met = drawn, met
        self._read: dict[str, Reading] = {}
        self._called: dict[str, str] = {}
        self._providers: dict[str, str] = {}
        self._silent: dict[str, Beat] = {}
        self._now: dict[NodeId, Node] = {}
        self._news: dict[NodeId, Node | None] = {}
        self._others: dict[str, Room] = {}

    @property
    def dirty(self) -> bool:
        """Whether something changed that was not taken yet."""
        return bool(self._news)

    def take(self) -> dict[NodeId, Node | None]:
        """What changed since the last time; None for what is gone."""
        news, self._news = self._news, {}
        return news

    def everything(self) -> tuple[Node, ...]:
        """All of them."""
        self._news = {}
        return tuple(self._now.values())

    def of_provider(self, provider: str) -> NodeId | None:
        """The node that a cloud calls so."""
        reading = self._read.get(self._providers.get(provider, "")) if provider else None
        return reading.node.id if reading is not None else None

    def place(self, reading: Reading) -> None:
        """A node as it was read just now."""
        name, uid = reading.node.name, reading.node.uid
        self._called[name] = uid
        whole = self._show(reading)
        if self._numbering.equip(whole.node.id, whole.device_watts, whole.node.accelerators):
            self._drawn(name)
        provider = _provider(reading.node)
        if provider and self._providers.get(provider) != uid:
            self._providers[provider] = uid
            self._met(provider)

    def amend(self, uid: str, facts: Mapping[str, object]) -> None:
        """These fields of a node that was read before are others now. Nothing where there is no such node, or none."""
        reading = self._read.get(uid) if facts else None
        if reading is not None:
            self._show(replace(reading, node=reading.node.model_copy(update=facts)))

    def crowd(self, name: str, others: Room) -> None:
        """That much is requested on a node by what is no replica of anything."""
        if self._others.get(name, Room()) == others:
            return
        self._others[name] = others
        if others == Room():
            del self._others[name]
        if (reading := self._read.get(self._called.get(name, ""))) is not None:
            self._show(reading)

    def displace(self, uid: str) -> None:
        """A node is gone."""
        gone = self._read.pop(uid, None)
        if gone is None:
            return
        node = gone.node
        if self._called.get(node.name) == uid:
            del self._called[node.name]
        if self._providers.get(provider := _provider(node)) == uid:
            del self._providers[provider]
            self._met(provider)
        known = self._now.get(node.id)
        if known is not None and known.uid == uid:  # else another one took its name since
            del self._now[node.id]
            self._news[node.id] = None
            if self._numbering.equip(node.id, 0):
                self._drawn(node.name)

    def renew(self, names: Iterable[str]) -> None:
        """Make these anew out of what was read of them."""
        for name in sorted(names):
            reading = self._read.get(self._called.get(name, ""))
            if reading is not None:
                self.place(reading)

    def rename(self, called: Callable[[str], NodeId]) -> None:
        """Other facts are in force: every node may be called otherwise."""
        held = list(self._read.values())
        for reading in held:
            self.displace(reading.node.uid)
        for reading in held:
            node = reading.node.model_copy(update={"id": called(reading.node.name)})
            self.place(replace(reading, node=node))

    def listen(self) -> None:
        """Look who fell silent, and who is heard again."""
        silent = self.heartbeats.silent()
        changed = silent.keys() ^ self._silent.keys()
        self._silent = silent
        self.renew(changed)

    def _show(self, reading: Reading) -> Reading:
        """Keep what was read of a node, and let it be seen as it is with all else that is known of it."""
        self._read[reading.node.uid] = reading
        whole = self._crowded(self._heard(self._equipped(reading)))
        if self._now.get(whole.node.id) != whole.node:
            self._now[whole.node.id] = self._news[whole.node.id] = whole.node
        return whole

    def _equipped(self, reading: Reading) -> Reading:
        boards = self._equipment.boards(reading.node.name)
        allotted = self._equipment.allotments.allotted
        made = equipping.equipped(reading, boards, allotted, f"{self._source}/{resources.SLICES.plural}")
        return nodes.doubted(made) if made.faults else made

    def _crowded(self, reading: Reading) -> Reading:
        others = self._others.get(reading.node.name)
        if others is None:
            return reading
        told = {"other_millicores": others.millicores, "other_mebibytes": others.mebibytes}
        return replace(reading, node=reading.node.model_copy(update=told))

    def _heard(self, reading: Reading) -> Reading:
        beat = self._silent.get(reading.node.name)
        if beat is None:
            return reading
        source = f"{self._source}/{resources.LEASES.plural}"
        return replace(reading, node=nodes.silenced(reading.node, source, beat.renewed_at))


def _provider(node: Node) -> str:
    """What its cloud calls it, however the zone is written; empty where none does."""
    return str(mentions.provider(node.provider_id)) if node.provider_id else ""
