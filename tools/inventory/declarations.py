"""Estate files as a set: read together, each name defined once, each reference to something that is there.

Used by the source that watches them and by `placet estate check`. A fault is a `BadInput` with file, line and remedy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from estate.errors import BadInput
from estate.items import KINDS, Item
from estate.law import Facts
from estate.references import Pointer, Ref
from estate.stock import Stock
from estate.uses.reservations import Reservation
from estate.uses.sources import SourceState
from estate.worlds import EstateFile
from tools.inventory import documents, files
from tools.inventory.documents import Document
from tools.inventory.stamping import stamped

SUFFIXES = (".yaml", ".yml", ".json")
SCHEMAS = ".schema.json"
"""How the names of schemas end that stand beside estate files for editors."""
_SEEN = frozenset({"node", "workload", "accelerator", "nvlink-domain"})
"""What is observed and not declared: a file cannot know whether it is there."""


@dataclass(frozen=True, slots=True)
class Declared:
    """One item with where it is written."""

    item: Item
    document: Document
    position: int

    def place(self, field: str = "") -> str:
        """`file:line` of the item, or of one of its fields."""
        return self.document.place(("items", self.position, *(field.split(".")[:1] if field else ())))


def load(paths: Iterable[Path], facts: Facts | None = None) -> tuple[Item, ...]:
    """Every item of these files and folders, with origins. Raises BadInput.

    References to sites, racks, clusters, tenants and datasets are checked when `facts` are given.
    """
    declared = [d for path in listed(paths) for d in _of_file(path)]
    _check_once(declared)
    _check_references(declared, facts)
    return tuple(d.item for d in declared)


def listed(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The files, with folders replaced by the estate files in them, by name. Raises BadInput for what is not there."""
    found: list[Path] = []
    for path in paths:
        try:
            inside = sorted(filter(_is_estate_file, path.iterdir())) if path.is_dir() else [path]
        except OSError as error:
            raise BadInput(f"{path}: cannot be listed ({error.strerror}); check its permissions") from error
        found += inside
    return tuple(dict.fromkeys(found))


def _is_estate_file(path: Path) -> bool:
    return path.suffix in SUFFIXES and not path.name.endswith(SCHEMAS)


def _of_file(path: Path) -> Iterator[Declared]:
    document = documents.parse(files.read(path), str(path))
    record = files.fit(EstateFile, document)
    at = record.declared_at or files.changed_at(path)
    for position, item in enumerate(record.items):
        _check_unstamped(item, document, position)
        yield Declared(stamped(item, f"file/{path.name}"[:256], at), document, position)


def _check_unstamped(item: Item, document: Document, position: int) -> None:
    if item.origins:
        place = document.place(("items", position, "origins"))
        raise BadInput(
            f"{place}: `{item.ref}` says where it is from itself; remove `origins`, the inventory writes them"
        )
    place = document.place(("items", position, "kind"))
    if isinstance(item, Reservation):
        raise BadInput(
            f"{place}: `{item.ref}` is made by a warrant; remove it, and ask for it: `placet offer --reserve`"
        )
    if isinstance(item, SourceState):
        raise BadInput(f"{place}: `{item.ref}` says whether a source speaks; remove it, the inventory writes them")


def _check_once(declared: Iterable[Declared]) -> None:
    first: dict[Ref, Declared] = {}
    for each in declared:
        other = first.setdefault(each.item.ref, each)
        if other is not each:
            raise BadInput(f"{each.place()}: `{each.item.ref}` is already at {other.place()}; keep one")


def _check_references(declared: list[Declared], facts: Facts | None) -> None:
    where = {d.item.ref: d for d in declared}
    known = _known_by(facts)
    faults = [
        _fault(where[item.ref], pointer, ref)
        for item, pointer, ref in Stock.of(i.item for i in declared).dangling(known)
    ]
    if faults:
        more = [f"and {len(faults) - 5} more faults"] if len(faults) > 5 else []
        raise BadInput("\n".join([*faults[:5], *more]))


def _known_by(facts: Facts | None) -> Callable[[Ref], bool]:
    """Whether something that no file declares may be named all the same."""
    if facts is None:
        lawful = {"site", "rack", "cluster", "tenant", "dataset"}
        return lambda ref: ref.kind in _SEEN | lawful
    by_law = {
        "site": facts.site.keys(),
        "rack": facts.rack.keys(),
        "cluster": facts.cluster.keys(),
        "tenant": facts.tenant.keys(),
        "dataset": facts.dataset.keys(),
        "feed": facts.racks_on_feed.keys(),
        "switch": facts.racks_on_leaf.keys(),
    }
    return lambda ref: ref.kind in _SEEN or ref.id in by_law.get(ref.kind, ())


def _fault(declared: Declared, pointer: Pointer, ref: Ref) -> str:
    place = f"{declared.place(pointer.field)}: {declared.item.ref}.{pointer.field}"
    if ref.kind not in KINDS and ref.kind not in _SEEN | {"tenant", "dataset"}:
        return f"{place}: `{ref.kind}` is not a kind of thing; use one of {', '.join(sorted({*KINDS, *_SEEN}))}"
    lawful = ref.kind in ("site", "rack", "cluster", "tenant", "dataset")
    remedy = "the facts and these files" if lawful else "these files"
    return f"{place}: `{ref}` is not defined in {remedy}; add it or correct the name"
