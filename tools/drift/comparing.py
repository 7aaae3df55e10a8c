"""What is desired against what is observed: every field that differs, and every one that was put beside. Pure.

Only what is desired is compared; null and what an API server leaves out (zero, empty) count as absent. What stands
beside it in a map, a keyed list or a set is told as an addition, and whoever calls decides whose business that is.
Refuses nothing: a value of the wrong type differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from estate.canonical import Json
from tools.drift import paths, quantities
from tools.drift.paths import Path
from tools.drift.shapes import UNTYPED, Shape, Sort

DEEPEST = 64
_KEYLESS = paths.item({})


@dataclass(frozen=True, slots=True)
class Difference:
    """One place; None is absent. Where nothing is desired, it is an addition."""

    path: Path
    desired: Json
    observed: Json

    @property
    def added(self) -> bool:
        """Whether it stands beside what is desired."""
        return self.desired is None


def differences(desired: Json, observed: Json, shape: Shape = UNTYPED, path: Path = ()) -> Iterator[Difference]:
    """Every difference, in the order of what is desired; additions after it."""
    if _absent(desired) and _absent(observed):
        return
    if desired is None or len(path) > DEEPEST:
        return
    if observed is None and isinstance(desired, dict) and path and path[-1].startswith("f:"):
        observed = {}  # each of its values is gone, and each is somebody's
    pairs = _pairs(desired, observed, shape)
    if pairs is None:
        if not same(desired, observed, shape):
            yield Difference(path, desired, None if _absent(observed) else observed)
        return
    for element, wanted, found, below in pairs:
        if wanted is None:
            yield from _additions(found, below, (*path, element))
        elif wanted is not None:
            yield from differences(wanted, found, below, (*path, element))


def _additions(found: Json, shape: Shape, path: Path) -> Iterator[Difference]:
    """What stands beside what is desired; of a map each value, since each may be somebody else's."""
    if isinstance(found, dict) and shape.sort is Sort.MAP and path[-1].startswith("f:") and len(path) < DEEPEST:
        for name, value in found.items():
            yield from _additions(value, shape.part(name), (*path, paths.field(name)))
    elif not _absent(found):
        yield Difference(path, None, found)


def same(desired: Json, observed: Json, shape: Shape = UNTYPED, depth: int = 0) -> bool:
    """Whether a value is the desired one, with no more in it than an API server adds by itself."""
    if depth > DEEPEST:
        return desired == observed
    match shape.sort:
        case Sort.QUANTITY:
            return quantities.equal(desired, observed)
        case Sort.INT_OR_STRING:
            return _scalar(desired, observed) or quantities.equal(desired, observed) or str(desired) == str(observed)
        case _:
            return _alike(desired, observed, shape, depth)


def _alike(desired: Json, observed: Json, shape: Shape, depth: int) -> bool:
    if _absent(desired) and _absent(observed):
        return True
    if isinstance(desired, dict) and isinstance(observed, dict):
        return all(
            _field_alike(desired.get(name), observed.get(name), shape.part(name), shape.default(name, observed), depth)
            for name in desired.keys() | observed.keys()
        )
    if isinstance(desired, list) and isinstance(observed, list):
        below = shape.items()
        return len(desired) == len(observed) and all(
            same(one, other, below, depth + 1) for one, other in zip(desired, observed, strict=True)
        )
    return _scalar(desired, observed)


def _field_alike(desired: Json, observed: Json, shape: Shape, default: Json, depth: int) -> bool:
    """Whether a field of an atom is as desired; what was left out of it may be what an API server writes there."""
    if desired is None and default is not None and observed == default:
        return True
    if isinstance(desired, dict) and isinstance(default, dict):
        desired = {**default, **desired}
    return same(desired, observed, shape, depth + 1)


type _Pair = tuple[str, Json, Json, Shape]


def _pairs(desired: Json, observed: Json, shape: Shape) -> list[_Pair] | None:
    """Both sides by element; None where they are compared whole."""
    match shape.sort:
        case Sort.MAP if isinstance(desired, dict) and isinstance(observed, dict):
            names = (*desired, *(n for n in observed if n not in desired))
            return [(paths.field(n), desired.get(n), observed.get(n), shape.part(n)) for n in names]
        case Sort.KEYED if isinstance(desired, list) and isinstance(observed, list | None):
            return _joined(_by_keys(desired, shape.keys), _by_keys(observed or [], shape.keys), shape.items())
        case Sort.SET if isinstance(desired, list) and isinstance(observed, list | None):
            return _joined(_by_value(desired), _by_value(observed or []), shape.items())
        case _:
            return None


type _Items = Mapping[str, Json] | None


def _joined(desired: _Items, observed: _Items, below: Shape) -> list[_Pair] | None:
    if desired is None or observed is None:
        return None
    names = (*desired, *(n for n in observed if n not in desired))
    return [(n, desired.get(n), observed.get(n), below) for n in names]


def _by_keys(items: Sequence[Json], keys: Mapping[str, Json]) -> dict[str, Json] | None:
    """None where an item has no key, or two have the same: then nobody can say which is which."""
    found: dict[str, Json] = {}
    for each in items:
        if not isinstance(each, dict):
            return None
        named = {k: each.get(k, default) for k, default in keys.items()}
        element = paths.item({k: v for k, v in named.items() if v is not None})
        if element in found or any(isinstance(v, dict | list) for v in named.values()) or element == _KEYLESS:
            return None
        found[element] = each
    return found


def _by_value(items: Sequence[Json]) -> dict[str, Json] | None:
    if any(isinstance(each, dict | list | None) for each in items):
        return None
    return {paths.member(each): each for each in items}


def _scalar(one: Json, other: Json) -> bool:
    """JSON knows one kind of number; true is none."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _absent(value: Json) -> bool:
    """What an API server leaves out when it writes an object."""
    return value is None or (not value and not isinstance(value, bool)) or value is False
