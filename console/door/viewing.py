"""Answers about the estate, cut to what the caller sees: any thing, who uses most, the tree, coverage, the past."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from console.door import ranking
from console.door.commands import Coverage, Get, History, Top, Topology
from console.door.desk import Desk, NotFound
from console.door.sights import Reader
from console.door.views import Row, Sight
from estate import neighbours
from estate.canonical import Json
from estate.errors import BadInput
from estate.records import write_time
from estate.references import Ref
from estate.snapshots import Snapshot
from tools.catalogue.histories import differences
from tools.views import coverages, headrooms, measured, selecting, things, topologies, words
from tools.views.sums import Keeper

_MEASURED_FOR_ALL = frozenset({"accelerator", "workload"})
"""What is measured of other things is not a tenant's alone."""

type Viewed = Top | Topology | Coverage | History


class Viewing:
    """Answers from the newest snapshot, with sums that are kept from one answer to the next."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._keeper = Keeper()

    def answer(self, sight: Sight, question: Viewed) -> Json:
        """The answer. Raises NotFound, BadInput, RetryLater."""
        reader = self._reader(sight)
        match question:
            case Top():
                return [*ranking.top(reader, question, self._desk.clock())]
            case Topology():
                return self._topology(reader, question)
            case Coverage():
                found = coverages.coverage(reader.sums.snapshot, self._desk.clock(), self._desk.reader.stale)
                return [c.json_form() for c in found if question.site in (None, c.site)]
            case History():
                return [*self._history(sight, question)]

    def get(self, sight: Sight, question: Get) -> list[Row]:
        """Rows of one kind, or the one of that name."""
        reader, kind = self._reader(sight), str(question.what)
        snapshot = reader.sums.snapshot
        selecting.check(kind, question.where, ("name", "site", *measured.FIELDS))
        if question.name is not None:
            return [self._row(reader, self._thing(reader, Ref(kind, question.name)))]
        found = (t for t in things.every(snapshot, kind) if reader.sees(t.ref) and _within(snapshot, t, question))
        return [row for t in found if selecting.fits(row := self._row(reader, t), question.where)]

    def chosen(self, rows: Iterable[Row], question: Get) -> list[Row]:
        """Those of some rows that the question's conditions hold for."""
        found = list(rows)
        conditions = [*question.where, *_scope(question)]
        if found and (odd := next((c for c in conditions if c.field.partition(".")[0] not in found[0]), None)):
            raise BadInput(f"a {question.what} has no field `{odd.field}`; it has {', '.join(sorted(found[0]))}")
        return [row for row in found if selecting.fits(row, conditions)]

    def describe(self, sight: Sight, ref: Ref) -> Row:
        """All fields of a thing with its surroundings."""
        reader = self._reader(sight)
        thing, snapshot = self._thing(reader, ref), reader.sums.snapshot
        form: Row = {k: v for k, v in reader.form(thing).items() if k not in ("kind", "id") and v not in (None, "", [])}
        around: Row = {"above": _counted(b.ref for b in neighbours.above(snapshot, ref) if reader.sees(b.ref))}
        around["below"] = _counted(b.ref for b in neighbours.below(snapshot, ref) if reader.sees(b.ref))
        if sight.everything or ref.kind in _MEASURED_FOR_ALL:
            around["measured"] = measured.shown(snapshot, ref, self._desk.clock())
        if sight.everything:
            around["told_by"] = words.shown(snapshot, thing, self._desk.clock())
        if ref.kind in headrooms.KINDS and (sight.everything or ref.kind == "tenant"):
            around["headroom"] = [m.json_form() for m in headrooms.margins(reader.sums, ref, self._desk.clock())]
        return {**form, **{k: v for k, v in around.items() if v}}

    def _row(self, reader: Reader, thing: things.Thing) -> Row:
        form = reader.form(thing)
        row: Row = {"name": form.pop("id"), "site": things.site_of(reader.sums.snapshot, thing.ref) or ""}
        row |= {k: v for k, v in form.items() if k not in ("kind", "site")}
        if reader.sight.everything or thing.ref.kind in _MEASURED_FOR_ALL:
            row |= measured.brief(reader.sums.snapshot, thing.ref, self._desk.clock())
        return row

    def _reader(self, sight: Sight) -> Reader:
        return Reader(self._keeper.of(self._desk.reader.newest()), sight)

    def _thing(self, reader: Reader, ref: Ref) -> things.Thing:
        found = things.find(reader.sums.snapshot, ref)
        if found is None or not reader.sees(ref):
            raise NotFound(f"no {ref.kind} `{ref.id}`; see `placet get {things.plural(ref.kind)}`")
        return found

    def _topology(self, reader: Reader, question: Topology) -> Json:
        facts = reader.sums.snapshot.facts
        for name, known, kind in ((question.site, facts.site, "site"), (question.rack, facts.rack, "rack")):
            if name is not None and (name not in known or not reader.sees(Ref(kind, name))):
                raise NotFound(f"no {kind} `{name}`; see `placet get {kind}s`")
        everything = reader.sight.everything
        scope = topologies.Scope(
            site=question.site,
            rack=question.rack,
            nodes=question.nodes,
            sees=None if everything else reader.sees_node,
            tenants=None if everything else reader.sight.tenants,
            now=self._desk.clock(),
        )
        return topologies.topology(reader.sums, scope).json_form()

    def _history(self, sight: Sight, question: History) -> list[Row]:
        ref = Ref(question.what, question.name)
        if question.version is not None or question.at is not None:
            return [self._as_of(sight, ref, question)]
        self._thing(self._reader(sight), ref)
        if not sight.everything:
            raise BadInput("a tenant reads the past by version or time; name `--version` or `--at`")
        rows: list[Row] = []
        before: things.Form = {}
        for told in self._desk.reader.told(ref):
            now = things.Thing(ref, (told.thing,)).form() if told.thing is not None else {}
            changes = differences(before, now)
            says: list[Json] = [f"{c.field}: {c.then} → {c.now}" for c in changes[:8]] if before and now else []
            what = "gone" if not now else "changed" if before else "known"
            if changes or not rows:
                rows.append({"version": str(told.version), "at": write_time(told.at), "what": what, "says": says})
            before = now
        return rows

    def _as_of(self, sight: Sight, ref: Ref, question: History) -> Row:
        past = self._past(question)
        if past is None:
            moment = question.version or question.at
            raise NotFound(
                f"`{moment}` is further back than is held here, or never was; see `placet history` without it"
            )
        reader = self._reader(sight)
        then_reader = Reader(Keeper().of(past), sight) if not sight.everything else Reader(reader.sums, sight)
        then = things.find(past, ref)
        if then is None or not then_reader.sees(ref):
            raise NotFound(f"no {ref.kind} `{ref.id}` was known then")
        now = things.find(reader.sums.snapshot, ref)
        form = then_reader.form(then)
        seen = reader.form(now) if now is not None and reader.sees(ref) else {}
        changed: list[Json] = [c.json_form() for c in differences(form, seen)] if seen else []
        return {
            "name": ref.id,
            "version": str(past.version),
            "then": form,
            "exists_now": bool(seen),
            "changed": changed,
        }

    def _past(self, question: History) -> Snapshot | None:
        if question.version is not None:
            return self._desk.reader.as_of(question.version)
        assert question.at is not None
        return self._desk.reader.at(question.at)


def _within(snapshot: Snapshot, thing: things.Thing, question: Get) -> bool:
    if question.site is not None and things.site_of(snapshot, thing.ref) != question.site:
        return False
    return question.tenant is None or question.tenant in things.tenants_of(snapshot, thing.ref)


def _scope(question: Get) -> Sequence[selecting.Condition]:
    given = (("site", question.site), ("tenant", question.tenant))
    return [selecting.Condition(field=name, value=value) for name, value in given if value is not None]


def _counted(refs: Iterable[Ref], most: int = 12) -> list[Json]:
    """Names, and of what is many how many."""
    kinds: dict[str, list[Ref]] = {}
    for ref in refs:
        kinds.setdefault(ref.kind, []).append(ref)
    told: list[Json] = []
    for kind in sorted(kinds):
        many = len(kinds[kind]) > most
        told += [f"{len(kinds[kind])} {things.plural(kind)}"] if many else [str(r) for r in kinds[kind]]
    return told
