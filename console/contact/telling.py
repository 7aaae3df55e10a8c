"""First contact told to a person: tables in colour on stdout, progress on stderr. `-o json|yaml` has all of it.

Called by `placet connect`. What is alike is told once, with how often; what is well is counted and not listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from console.cli.rendering import data_console, note, notes_console, visible
from console.contact import digesting
from console.contact.describing import Inventory, NodeRow, TenantRow, WorkloadRow
from console.contact.foreseeing import Foreseen, Proposed
from console.contact.meeting import Report
from estate.hardware import Health
from estate.verdicts import Decision

_SHOWN: Final = 40
"""Rows of one table; the rest is counted."""
_BAD, _WARN, _GOOD, _DIM = "red", "yellow", "green", "dim"
_DECIDED: Final = {Decision.PERMIT: _GOOD, Decision.NEEDS_APPROVAL: _WARN, Decision.FORBID: _BAD}

type Cell = str | tuple[str, str]
"""A text, or a text and its style."""


class Counting:
    """What was listed so far: one line that is rewritten on a terminal, one line at the end elsewhere."""

    def __init__(self) -> None:
        self._console = notes_console()
        self._status = Status("connecting", console=self._console) if self._console.is_terminal else None
        self._counts: dict[str, int] = {}

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def say(self, kind: str, count: int) -> None:
        """So many of that kind."""
        self._counts[kind] = count
        if self._status is not None:
            self._status.update(f"listing {escape(self._told())}")

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if self._status is not None:
            self._status.stop()
        if kind is None:
            note(f"listed {self._told() or 'nothing'}")

    def _told(self) -> str:
        return ", ".join(f"{count} {kind}" for kind, count in self._counts.items() if count)


def tell(report: Report) -> None:
    """All of it, in the order in which one asks."""
    console = data_console()
    for part in (_head, _there, _tenants, _workloads, _law, _would, _kept_out, _rights, _next):
        part(console, report)


def _head(console: Console, report: Report) -> None:
    console.print(
        f"[bold]{report.cluster}[/bold]  uid {report.uid}  Kubernetes {_safe(report.version)}", highlight=False
    )
    console.print(f"facts: {_safe(report.facts.source)}", highlight=False, soft_wrap=True)
    if not report.facts.knows_cluster:
        console.print(f"[{_BAD}]no fact knows this cluster: all of it is unknown, and denied[/{_BAD}]")
    sent = report.sent
    told = f"{sent.reads} gets and lists, {sent.questions} questions about these credentials, {sent.writes} writes"
    console.print(f"mode {report.mode.value}: nothing was changed. Sent: {told}", highlight=False, soft_wrap=True)


def _there(console: Console, report: Report) -> None:
    seen = report.inventory
    _heading(console, "What is there", digesting.nodes_told(seen))
    models = [
        (m.model, str(m.accelerators), str(m.used), str(m.free), _marked(m.shut, _WARN), _marked(m.failed, _BAD))
        for m in seen.models
    ]
    _table(console, ("accelerator", "total", "used", "free", "shut off", "failed"), models)
    if seen.models:
        console.print(f"{seen.stranded} free accelerators are stranded: no work can reach them", highlight=False)
    _table(console, ("node", "is", "rack", "accelerators", "used", "failed"), [*_odd_nodes(seen)])


def _odd_nodes(seen: Inventory) -> Iterator[Sequence[Cell]]:
    for node in seen.nodes:
        if told := digesting.node_told(node):
            style = _BAD if _lost(node) else _WARN
            counts = (str(node.accelerators), str(node.used), _marked(node.failed, _BAD))
            yield (node.name, (told, style), node.rack or ("in none", _WARN), *counts)


def _lost(node: NodeRow) -> bool:
    return node.health in (Health.FAILED, Health.UNKNOWN) or bool(node.failed)


def _tenants(console: Console, report: Report) -> None:
    seen = report.inventory
    if seen.tenants:
        _heading(console, "Tenants, by facts")
        _table(console, ("tenant", *_TENANCY), [(t.tenant, *_tenancy(t)) for t in seen.tenants])
    if seen.unassigned:
        _heading(console, "Namespaces with accelerators that no fact gives to a tenant")
        _table(console, ("namespace", *_TENANCY[2:]), [(t.namespaces[0], *_tenancy(t)[2:]) for t in seen.unassigned])


_TENANCY: Final = ("isolation", "namespaces", "workloads", "replicas running", "accelerators")


def _tenancy(row: TenantRow) -> tuple[Cell, ...]:
    counts = (str(row.workloads), str(row.running), str(row.accelerators))
    return (row.isolation, ", ".join(row.namespaces), *counts)


def _workloads(console: Console, report: Report) -> None:
    lawful = {r.workload: r.lawful for r in report.reviews}
    _heading(console, "Workloads", f"{len(report.inventory.workloads)}")
    rows = sorted(report.inventory.workloads, key=lambda w: (lawful[w.id], w.running >= w.min_available, w.id))
    columns = ("namespace", "workload", "kind", "tenant", "running", "promised", "gpus each", "nodes", "law")
    _table(console, columns, [_workload(w, lawful[w.id]) for w in rows])


def _workload(row: WorkloadRow, lawful: bool) -> tuple[Cell, ...]:
    runs = f"{row.running} of {row.replicas}"
    return (
        row.namespace,
        f"{row.controller}/{row.name}",
        row.kind.value,
        row.tenant,
        (runs, _BAD) if row.running < row.min_available else runs,
        str(row.min_available),
        str(row.accelerators_per_replica),
        str(row.nodes),
        ("lawful", _GOOD) if lawful else ("unlawful", _BAD),
    )


def _law(console: Console, report: Report) -> None:
    unlawful = sum(1 for r in report.reviews if not r.lawful)
    told = f"{unlawful} of {len(report.reviews)} workloads are not lawful where they run" if unlawful else "all lawful"
    _heading(console, "What the law says of what is running", told)
    rows = [
        ((f.dimension.value, _BAD), f.policy, _several(names), f.needed, f.found, f.remedy)
        for f, names in digesting.alike(report.reviews)
    ]
    _table(console, ("dimension", "policy", "workloads", "needed", "found", "remedy"), rows)


def _would(console: Console, report: Report) -> None:
    _heading(console, "What it would do", "verdicts in mode observe: no warrant, no change")
    if not report.foreseen:
        console.print("nothing: nothing that is seen now calls for anything")
    acting = [f for f in report.foreseen if f.proposed]
    for foreseen in acting[:_SHOWN]:
        _foreseen(console, foreseen)
    _more(console, len(acting) - _SHOWN)
    idle = digesting.idle(report.foreseen)
    _table(console, ("about", "trouble", "nothing would be done"), [(_several(a), t, n) for t, n, a in idle])


def _foreseen(console: Console, foreseen: Foreseen) -> None:
    console.print(f"[bold]{_safe(foreseen.about)}[/bold]: {_safe(foreseen.trouble)}", highlight=False)
    for proposed in foreseen.proposed:
        _proposed(console, proposed)
    if foreseen.nothing:
        console.print(f"  then nothing: {_safe(foreseen.nothing)}", highlight=False, soft_wrap=True)


def _proposed(console: Console, proposed: Proposed) -> None:
    style, lane = _DECIDED[proposed.decision], proposed.lane.value
    lines = [f"{lane}: [{style}]{proposed.decision.value}[/{style}]: {_safe(proposed.summary)}"]
    lines += [f"  - {_safe(change)}" for change in proposed.changes]
    lines += [f"  {_safe(note)}" for note in (*proposed.notes, *proposed.asked)]
    lines += [
        f"  [{_BAD}]{f.dimension.value}[/{_BAD}] {_safe(f'{f.policy}: {f.about}: needed {f.needed}, found {f.found}')}"
        for f in proposed.failures
    ]
    for line in lines:
        console.print(f"  {line}", highlight=False, soft_wrap=True)


def _kept_out(console: Console, report: Report) -> None:
    if report.kept_out:
        _heading(console, "Kept out: it cannot be read")
        _table(console, ("object", "reason"), [*report.kept_out.items()])


def _rights(console: Console, report: Report) -> None:
    held = report.rights
    if held is None:
        return
    _heading(console, "These credentials", held.who)
    if held.reader:
        console.print(f"[{_GOOD}]they can write nothing[/{_GOOD}]: `placet run` does not refuse them as a reader")
    else:
        console.print(
            f"[{_BAD}]they can write[/{_BAD}]: `placet run` will refuse them as a reader. They may, among others:"
        )
        console.print(f"  {_safe(_several(held.beyond, 12))}", highlight=False, soft_wrap=True)
    if held.lacking:
        console.print(f"[{_WARN}]a reader needs, and they lack[/{_WARN}]: {_safe(_several(held.lacking, 12))}")


def _next(console: Console, report: Report) -> None:
    _heading(console, "Next")
    for line in report.next:
        console.print(_safe(line), highlight=False, soft_wrap=True)


def _heading(console: Console, text: str, beside: str = "") -> None:
    console.print()
    told = f": {_safe(beside)}" if beside else ""
    console.print(f"[bold underline]{text}[/bold underline]{told}", highlight=False, soft_wrap=True)


def _table(console: Console, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    if not rows:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name.upper(), overflow="fold")
    for row in rows[:_SHOWN]:
        table.add_row(*map(_cell, row))
    console.print(table)
    _more(console, len(rows) - _SHOWN)


def _more(console: Console, count: int) -> None:
    if count > 0:
        console.print(f"[{_DIM}]and {count} more: `-o json` has all of them[/{_DIM}]", highlight=False)


def _cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return _safe(cell)
    text, style = cell
    return f"[{style}]{_safe(text)}[/{style}]" if text else ""


def _marked(count: int, style: str) -> Cell:
    return (str(count), style) if count else "0"


def _several(names: Iterable[str], most: int = 3) -> str:
    """The first few, and how many more."""
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return f"{', '.join(listed[:most])}{more}"


def _safe(text: str) -> str:
    return escape(visible(text))
