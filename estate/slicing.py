"""Into which slices boards can be cut, and where a slice may lie: NVIDIA's table of MIG profiles and placements. Pure.

Source: NVIDIA Multi-Instance GPU User Guide, "Supported MIG Profiles" and "Supported GPUs". A slice takes up memory
slices of its board; it may begin only where its profile allows, and where it begins decides what still fits beside it.
Boards divide their memory by eight and have seven compute slices, or divide both by four. In every placement that the
memory allows, the compute slices suffice. Profiles with media extensions (`+me`) lie as those without.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from estate.hardware import Accelerator, Health, Node
from estate.units import Mebibytes


@dataclass(frozen=True, slots=True)
class Profile:
    """One size of slice: the memory slices it takes, and the first ones it may lie at."""

    name: str
    size: int
    starts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Board:
    """Boards of one name and memory, and the words for their profiles, the smallest first."""

    model: str
    mebibytes: int
    """Of the smallest that this row is for."""
    words: tuple[str, ...]


_EIGHTHS: Final = ((1, range(7)), (2, (0, 2, 4, 6)), (2, (0, 2, 4)), (4, (0, 4)), (4, (0,)), (8, (0,)))
"""1g, 1g with twice the memory, 2g, 3g, 4g, 7g."""
_QUARTERS: Final = ((1, range(4)), (2, (0, 2)), (4, (0,)))
"""1g, 2g, 4g."""
_NAMED: Final = re.compile(r"-(\d{2,3})GB", re.ASCII)
_BOARDS: Final = (
    _Board("A30", 0, ("1g.6gb", "2g.12gb", "4g.24gb")),
    _Board("RTX-PRO-6000", 0, ("1g.24gb", "2g.48gb", "4g.96gb")),
    _Board("A100", 70_000, ("1g.10gb", "1g.20gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb")),
    _Board("A100", 0, ("1g.5gb", "1g.10gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb")),
    _Board("H100", 95_000, ("1g.12gb", "1g.24gb", "2g.24gb", "3g.48gb", "4g.48gb", "7g.96gb")),
    _Board("H100", 90_000, ("1g.12gb", "1g.24gb", "2g.24gb", "3g.47gb", "4g.47gb", "7g.94gb")),
    _Board("H100", 0, ("1g.10gb", "1g.20gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb")),
    _Board("H200", 0, ("1g.18gb", "1g.35gb", "2g.35gb", "3g.71gb", "4g.71gb", "7g.141gb")),
    _Board("H20", 0, ("1g.12gb", "1g.24gb", "2g.24gb", "3g.48gb", "4g.48gb", "7g.96gb")),
    _Board("B200", 0, ("1g.23gb", "1g.45gb", "2g.45gb", "3g.90gb", "4g.90gb", "7g.180gb")),
)
"""Of two rows for one name the larger board comes first, and so does the longer of two names."""


def profiles(model: str, mebibytes: int) -> tuple[Profile, ...]:
    """The sizes into which a whole board can be cut; none where it cannot, or nobody knows."""
    words = model.upper().replace(" ", "-").split("-MIG-")[0]
    found = next((b for b in _BOARDS if f"-{b.model}-" in f"-{words}-" and mebibytes >= b.mebibytes), None)
    if found is None:
        return ()
    shapes = _EIGHTHS if len(found.words) == len(_EIGHTHS) else _QUARTERS
    return tuple(Profile(w, size, tuple(starts)) for w, (size, starts) in zip(found.words, shapes, strict=True))


def starts(of: Sequence[Profile], profile: str, held: Iterable[tuple[str, int]]) -> tuple[int, ...]:
    """Where slices of that profile may still be laid, all of them at once, beside those that are held.

    `held` are profiles with their first memory slices. One that the board does not have leaves no room.
    """
    sizes = {p.name: p for p in of}
    wanted, taken = sizes.get(_plain(profile)), set[int]()
    if wanted is None:
        return ()
    for name, start in held:
        known = sizes.get(_plain(name))
        if known is None:
            return ()
        taken.update(range(start, start + known.size))
    return tuple(s for s in wanted.starts if taken.isdisjoint(range(s, s + wanted.size)))


def cut(node: Node, taken: Iterable[int], profile: str, wanted: int) -> Node | None:
    """The node once so few boards that nobody holds are cut, or cut anew, that there are `wanted` more such slices.

    Slices that somebody holds stay where they are; the others of their board are given up. None where that is no help.
    """
    held, lacking = frozenset(taken), wanted
    fresh: list[Accelerator] = []
    gone: set[int] = set()
    for board, slices in _boards(node):
        if lacking <= 0:
            break
        made = list(_laid(board, slices, profile, held, lacking))
        lost = [a.index for a in slices or [board] if a.index not in held]
        gain = len(made) - sum(a.cut == profile and a.index in lost for a in slices)
        if gain > 0:
            fresh, gone, lacking = [*fresh, *made], {*gone, *lost}, lacking - gain
    if lacking > 0:
        return None
    kept = [a for a in node.accelerators if a.index not in gone]
    numbers = (n for n in range(512) if n not in {a.index for a in kept})
    numbered = [a.model_copy(update={"index": next(numbers)}) for a in fresh]
    return node.model_copy(update={"accelerators": tuple(sorted((*kept, *numbered), key=lambda a: a.index))})


def _boards(node: Node) -> Iterator[tuple[Accelerator, list[Accelerator]]]:
    """Whole devices that are a board, and boards that are cut, each with its slices; those in slices first."""
    parts: dict[str, list[Accelerator]] = {}
    for device in node.accelerators:
        if device.cut and device.board and device.start is not None:
            parts.setdefault(device.board, []).append(device)
    for slices in parts.values():
        yield whole(slices[0]), slices
    for device in node.accelerators:
        if not device.cut and not device.partitions and device.sharing is None:
            yield device, []


def _laid(
    board: Accelerator, slices: Sequence[Accelerator], profile: str, held: frozenset[int], most: int
) -> Iterator[Accelerator]:
    if board.health is not Health.HEALTHY or (not slices and board.index in held):
        return
    kept = [(a.cut, a.start or 0) for a in slices if a.index in held]
    for start in starts(profiles(board.model, board.memory_mebibytes), profile, kept)[:most]:
        yield _part(board, profile, start)


def parts(board: Accelerator, wanted: Sequence[str]) -> tuple[Accelerator, ...] | None:
    """A whole board cut into just these slices, by profile; itself for none; None where they do not lie on it."""
    of = profiles(board.model, board.memory_mebibytes)
    known = {p.name: p for p in of}
    if any(_plain(w) not in known for w in wanted):
        return None
    ordered = sorted(wanted, key=lambda w: (-known[_plain(w)].size, w))
    lying = _placed(of, ordered, ())
    if not wanted:
        return (board,)
    return None if lying is None else tuple(_part(board, *lies) for lies in sorted(lying))


type _Lying = tuple[tuple[str, int], ...]


def _placed(of: Sequence[Profile], wanted: Sequence[str], held: _Lying) -> _Lying | None:
    """The first way to lay them beside those that are held; alike ones by rising starts, so none is tried twice."""
    if not wanted:
        return held
    after = held[-1][1] if held and held[-1][0] == wanted[0] else -1
    for start in (s for s in starts(of, wanted[0], held) if s > after):
        if (found := _placed(of, wanted[1:], (*held, (wanted[0], start)))) is not None:
            return found
    return None


def whole(part: Accelerator) -> Accelerator:
    """The board that a slice is of, as it is when it is whole; a whole device itself."""
    if not part.cut:
        return part
    return part.model_copy(
        update={
            "uuid": part.board or part.uuid,
            "model": part.model.split("-MIG-")[0],
            "memory_mebibytes": part.board_mebibytes or Mebibytes(_whole_memory(part)),
            "cut": "",
            "board": "",
            "start": None,
            "board_mebibytes": None,
        }
    )


def _part(board: Accelerator, profile: str, start: int) -> Accelerator:
    return board.model_copy(
        update={
            "uuid": f"{board.uuid}/{profile}-{start}"[:128],
            "model": f"{board.model}-MIG-{profile}",
            "memory_mebibytes": Mebibytes(_gigabytes(profile) * 1024),
            "cut": profile,
            "board": board.uuid,
            "start": start,
            "board_mebibytes": board.memory_mebibytes,
        }
    )


def _whole_memory(part: Accelerator) -> int:
    """What a board has of which a slice is known: by its model's name, else by the slice's own word."""
    if told := _NAMED.search(part.model.split("-MIG-")[0]):
        return int(told[1]) * 1000
    rows = (b for b in _BOARDS if part.cut in b.words and f"-{b.model}-" in f"-{part.model.upper()}-")
    return next((_gigabytes(b.words[-1]) * 1000 for b in rows), 0)


def _gigabytes(profile: str) -> int:
    digits = _plain(profile).partition(".")[2].removesuffix("gb")
    return int(digits) if digits.isdigit() else 0


def _plain(profile: str) -> str:
    return profile.removesuffix("+me").removesuffix(".me")
