"""What a partition layout makes of a node, and how a node is cut now. Pure; the geometry itself is `estate.slicing`'s.

Called by the change that cuts (`RepartitionAccelerator`), by the conditions that tell of it, and by placement. Where
slices do not say which accelerator they are of, as those that a kubelet counts, the layout in force says it. Of what
nobody tells nothing is guessed: the answer is a text with the reason.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from estate import slicing
from estate.devices import PartitionState
from estate.hardware import Accelerator, Node
from estate.law import Facts
from estate.law.layouts import Layout, written

WHOLE: Final = "whole"
_MOST: Final = 64
"""Accelerators of one node."""


@dataclass(frozen=True, slots=True)
class Board:
    """One physical accelerator."""

    like: Accelerator
    """It as it is when it is whole."""
    slices: tuple[str, ...]
    """How it is cut now, sorted; none: it is whole."""
    devices: tuple[Accelerator, ...]
    """What it is now; none where nobody tells which of them are of it."""


def stated(facts: Facts, node: Node) -> tuple[Layout, ...]:
    """The layouts that signed facts state for the node's cluster."""
    cluster = facts.cluster.get(node.cluster)
    return cluster.layouts if cluster is not None else ()


def sizes(node: Node) -> tuple[str, ...]:
    """How many devices of each size it has, and what its partition manager says while that is not done, as text."""
    counted = Counter(a.cut or WHOLE for a in node.accelerators)
    told = node.partitioning
    manager = (f"manager: {told.state.value}",) if told and told.state is not PartitionState.SUCCESS else ()
    return (*(f"{cut}×{n}" for cut, n in sorted(counted.items())), *manager)


def boards(node: Node, known: Iterable[Layout]) -> tuple[Board, ...] | str:
    """Its accelerators in their maker's order (that of their PCI addresses), or why nobody can say."""
    if fault := _unreadable(node):
        return fault
    parts: defaultdict[str, list[Accelerator]] = defaultdict(list)
    for device in node.accelerators:
        parts[device.board if device.cut else device.uuid].append(device)
    if any(a.cut and not a.board for a in node.accelerators):
        return _by_layout(node, known)
    return tuple(sorted(map(_board, parts.values()), key=lambda b: (b.like.pci_address, b.like.index)))


def in_force(node: Node, known: Sequence[Layout]) -> Layout | None:
    """A stated layout that is just how it is cut now: the one that its manager was told, else the first."""
    found = boards(node, known)
    if isinstance(found, str):
        return None
    now, told = tuple(b.slices for b in found), node.partitioning.layout if node.partitioning else ""
    fitting = sorted((x for x in known if x.of(len(found)) == now), key=lambda x: (x.name != told, x.name))
    return fitting[0] if fitting else None


def laid(node: Node, layout: Layout, known: Iterable[Layout]) -> Node | str:
    """The node once it is cut so, or why it cannot be. Devices are numbered as kubelets count: whole, then by size."""
    found = boards(node, known)
    if isinstance(found, str):
        return found
    plan = layout.of(len(found))
    if plan is None:
        return f"layout `{layout.name}` does not say what becomes of each of its {len(found)} accelerators, and no more"
    made: list[Accelerator] = []
    for board, slices in zip(found, plan, strict=True):
        kept = board.devices if board.slices == slices else ()
        fresh = kept or slicing.parts(board.like, slices)
        if fresh is None:
            return f"no {board.like.model} is cut into {written(slices)}"
        made += fresh
    ordered = sorted(made, key=lambda a: a.cut)
    numbered = (a.model_copy(update={"index": i}) for i, a in enumerate(ordered))
    return node.model_copy(update={"accelerators": tuple(numbered)})


def told(node: Node, layout: Layout, known: Iterable[Layout]) -> str:
    """What would be otherwise, in words: `accelerator 3 as 1g.10gb×7`. Of what `laid` made something of."""
    found = boards(node, known)
    plan = layout.of(len(found)) or ()
    changed: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, (board, slices) in enumerate(zip(found, plan, strict=False)):
        if isinstance(board, Board) and board.slices != slices:
            changed[slices].append(number)
    return " and ".join(_many(numbers, slices) for slices, numbers in changed.items())


def _many(numbers: Sequence[int], slices: Sequence[str]) -> str:
    word = "accelerator" if len(numbers) == 1 else "accelerators"
    return f"{word} {', '.join(map(str, numbers))} as {written(slices)}"


def _unreadable(node: Node) -> str:
    for device in node.accelerators:
        if device.partitions:
            return "is cut by its device driver for each claim; claims ask for slices themselves"
        if device.sharing is not None or device.cut == "shared":
            return f"shares accelerator {device.index} among several; end that first"
        if not device.cut and "-MIG-" in device.model:
            return "counts slices as whole accelerators (MIG strategy `single`); have the operator count them `mixed`"
    return "" if node.accelerators else "has no accelerators"


def _board(devices: Sequence[Accelerator]) -> Board:
    whole = slicing.whole(devices[0])
    return Board(whole, tuple(sorted(a.cut for a in devices if a.cut)), tuple(devices))


def _by_layout(node: Node, known: Iterable[Layout]) -> tuple[Board, ...] | str:
    """By the layout in force, for as many accelerators as come to just these devices."""
    said = node.partitioning.layout if node.partitioning else ""
    layout = next((x for x in known if x.name == said), None)
    have = Counter(a.cut for a in node.accelerators)
    for plan in (layout.of(count) for count in range(1, _MOST + 1)) if layout is not None else ():
        if plan is not None and Counter(c for slices in plan for c in slices or ("",)) == have:
            return tuple(_guided(node, plan))
    return f"does not say which accelerators its slices are of, and they are not those of a stated layout `{said}`"


def _guided(node: Node, plan: Iterable[Sequence[str]]) -> Iterator[Board]:
    wholes = iter([a for a in node.accelerators if not a.cut])
    part = next(a for a in node.accelerators if a.cut)
    for slices in plan:
        if slices:
            yield Board(slicing.whole(part), tuple(slices), ())
        else:
            device = next(wholes)
            yield Board(device, (), (device,))
