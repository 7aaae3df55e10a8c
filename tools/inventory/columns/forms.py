"""How an inventory becomes named runs of bytes, and is made of them again.

Called by `files`. Numbers go raw, in the machine's own order; objects and values go as JSON. Indexes and free rows are
not written: they are made of the columns.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Mapping
from itertools import compress
from typing import Any

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import TypeAdapter

from estate import items
from estate.hardware import Health
from estate.law import Facts
from estate.references import Ref
from estate.stock import Stock
from tools.inventory.columns.chunks import Items, Numbers, Rows
from tools.inventory.columns.engine import Inventory
from tools.inventory.columns.indexes import Index
from tools.inventory.columns.machines import NONE
from tools.inventory.columns.places import SEEN
from tools.inventory.columns.readings import TELLERS
from tools.inventory.columns.rows import rounded
from tools.inventory.columns.terms import Terms

type Parts = Mapping[str, bytes | memoryview]
type _Coded = tuple[Terms[Any], Numbers, TypeAdapter[list[Any]]]

_texts_of = msgspec.json.Decoder(list[str | None]).decode
_NUMBERS: TypeAdapter[list[tuple[int, ...]]] = TypeAdapter(list[tuple[int, ...]])
_GROUPS: TypeAdapter[list[frozenset[Ref]]] = TypeAdapter(list[frozenset[Ref]])
_SOURCES: TypeAdapter[list[tuple[str, ...]]] = TypeAdapter(list[tuple[str, ...]])
_STOCK: TypeAdapter[list[items.Item]] = TypeAdapter(list[items.Item])


def written(inventory: Inventory) -> tuple[dict[str, Any], Parts]:
    """The heading and the parts of an inventory as it is now."""
    parts = {name: _rows(column).tobytes() for name, column in _numbers(inventory).items()}
    for name, held in _texts(inventory).items():
        parts[name] = orjson.dumps(held.live)
    for name, (held, adapter) in _objects(inventory).items():
        known: Terms[Any] = Terms([None])
        parts[name] = np.fromiter(map(known.code, held.live), dtype="i", count=held.rows).tobytes()
        parts[f"{name} values"] = adapter.dump_json(known.values)
    for name, (terms, column, adapter) in _coded(inventory).items():
        kept, codes = np.unique(np.append(0, _rows(column)), return_inverse=True)
        parts[name] = codes[1:].astype(column.kind).tobytes()
        parts[f"{name} values"] = adapter.dump_json([terms.values[code] for code in kept if terms.values])
    parts["stock"] = _STOCK.dump_json(list(inventory.stock))
    return _heading(inventory), parts


def read(about: Mapping[str, Any], parts: Parts, facts: Facts) -> Inventory:
    """The inventory of a heading and parts; raises ValueError or LookupError where they do not fit."""
    inventory = Inventory(facts)
    if about["order"] != sys.byteorder:
        raise ValueError("it was written by a machine of another byte order")
    for name, column in _numbers(inventory).items():
        column.load(_array(column.kind, parts[name]))
    for name, held in _texts(inventory).items():
        held.load(_words(parts[name]))
    for name, (held, adapter) in _objects(inventory).items():
        values = adapter.validate_json(bytes(parts[f"{name} values"]))
        held.load(list(map(values.__getitem__, _array("i", parts[name]).tolist())))
    for name, (terms, column, adapter) in _coded(inventory).items():
        terms.fill(adapter.validate_json(bytes(parts[f"{name} values"])))
        column.load(_array(column.kind, parts[name]))
    inventory.stock = Stock.of(_STOCK.validate_json(bytes(parts["stock"])))
    _take_heading(inventory, about)
    _resume(inventory, about)
    return inventory


def _heading(inventory: Inventory) -> dict[str, Any]:
    machines, residents = inventory.machines, inventory.residents
    places, levels = machines.places, machines.places.levels
    return {
        "order": sys.byteorder,
        "names": [places.racks.names.values, places.sites.names.values, residents.tenants.names.values],
        "site_of": places.site_of.tolist(),
        "levels": [list(levels.asks.items()), list(levels.open.items()), levels.closed],
        "sources": machines.sources.values,
        "trails": [machines.trail.end, residents.trail.end],
        "ends": [a.end for a in (machines.rows, machines.device_rows, residents.rows, residents.replica_rows)],
        "bested": [_bested(index, rows) for index, rows, _ in _names(inventory, *_there(inventory))],
    }


def _take_heading(inventory: Inventory, about: Mapping[str, Any]) -> None:
    machines, residents = inventory.machines, inventory.residents
    places, levels = machines.places, machines.places.levels
    racks, sites, tenants = about["names"]
    places.racks.names.fill(racks)
    places.sites.names.fill(sites)
    residents.tenants.names.fill(tenants)
    places.site_of = array("q", about["site_of"])
    levels.asks.update(dict(about["levels"][0]))
    levels.open.update(dict(about["levels"][1]))
    levels.closed = about["levels"][2]
    machines.sources.fill(about["sources"])
    machines.trail.end, residents.trail.end = about["trails"]
    machines.healthy = machines.fields.terms["health"].code(Health.HEALTHY)
    machines.sound = machines.devices.terms["health"].code(Health.HEALTHY)


def _resume(inventory: Inventory, about: Mapping[str, Any]) -> None:
    """Free rows, indexes and groups, off the columns."""
    machines, residents = inventory.machines, inventory.residents
    node, work = machines.columns, residents.columns
    used, there = _there(inventory)
    homes, work_homes = _of(node["home"], used), _of(work["home"], there)
    counts, rooms = _of(node["devices"], used), _of(work["room"], there)
    ends = about["ends"]
    sizes = np.array([rounded(count) for count in range(int(counts.max(initial=0)) + 1)])[counts]
    machines.rows.resume(ends[0], used, homes, np.ones_like(used))
    machines.device_rows.resume(ends[1], _of(node["device"], used), homes, sizes)
    residents.rows.resume(ends[2], there, work_homes, np.ones_like(there))
    residents.replica_rows.resume(ends[3], _of(work["first"], there), work_homes, rooms)
    for (index, rows, keys), bested in zip(_names(inventory, used, there), about["bested"], strict=True):
        found = ~np.isin(rows, bested)
        index.rebuild(rows[found], list(compress(keys, found)) if bested else keys)
    machines.regroup()
    residents.regroup()
    residents.settle()


def _bested(index: Index, rows: NDArray[np.int64]) -> list[int]:
    """The rows whose name leads to another one, that was told later."""
    return [] if index.count == len(rows) else [int(row) for row in rows if index.find(index.key_of(row)) != row]


def _names(inventory: Inventory, used: Rows, there: Rows) -> Iterable[tuple[Index, NDArray[np.int64], list[Any]]]:
    """Every index with the rows that are to be found by it, and their keys."""
    machines, residents = inventory.machines, inventory.residents
    fields, work = machines.fields, residents.fields
    seen = used[_of(machines.state, used) & SEEN > 0]
    devices = np.flatnonzero(_rows(machines.device_columns["node"]) != NONE)
    clusters, called = fields.spelled("cluster", seen), fields.spelled("name", seen)
    yield machines.ids, used, fields.spelled("id", used)
    yield machines.names, seen, list(zip(clusters, called, strict=True))
    yield machines.uuids, devices, machines.devices.spelled("uuid", devices)
    yield residents.ids, there, work.spelled("id", there)
    named = (work.spelled(name, there) for name in ("cluster", "namespace", "name"))
    yield residents.names, there, list(zip(*named, strict=True))


def _there(inventory: Inventory) -> tuple[Rows, Rows]:
    """The rows of nodes and of workloads that are used."""
    return _used(inventory.machines.id), _used(inventory.residents.fields.objects("id"))


def _used(ids: Items[Any]) -> NDArray[np.int64]:
    """The rows that have an id."""
    return np.array([row for row, value in enumerate(ids.live) if value is not None], dtype=np.int64)


def _of(column: Numbers, rows: NDArray[np.int64]) -> NDArray[Any]:
    return column.take(rows).astype(np.int64)


def _rows(column: Numbers) -> NDArray[Any]:
    return column.array[: column.rows]


def _numbers(inventory: Inventory) -> dict[str, Numbers]:
    """The columns of plain numbers."""
    machines, residents = inventory.machines, inventory.residents
    tables: dict[str, Mapping[str, Numbers]] = {
        "node": machines.columns,
        "device": machines.device_columns | {n: c for n, c in machines.readings.columns.items() if n != TELLERS},
        "workload": {n: c for n, c in residents.columns.items() if n != "order"},
        "replica": {n: c for n, c in residents.replica_columns.items() if n != "held"},
        "sums": {
            "racks": machines.places.racks.column,
            "sites": machines.places.sites.column,
            "tenants": residents.tenants.column,
        },
    }
    for name, fields in _tables(inventory).items():
        kept = fields.kept
        tables[f"{name}s"] = {n: fields.numbers(n) for n in (*kept.whole, *kept.optional, *kept.flags)}
    return {f"{table} {name}": column for table, columns in tables.items() for name, column in columns.items()}


def _texts(inventory: Inventory) -> dict[str, Items[str | None]]:
    """The columns of text that differs from row to row."""
    tables = _tables(inventory).items()
    return {f"{t} {name}": f.objects(name) for t, f in tables for name in f.kept.items if f.is_text(name)}


def _words(part: bytes | memoryview) -> list[str | None]:
    try:
        return _texts_of(part)
    except msgspec.MsgspecError as error:
        raise ValueError("a column of text holds something else") from error


def _objects(inventory: Inventory) -> dict[str, tuple[Items[Any], TypeAdapter[list[Any]]]]:
    """The columns of objects, and how they are written."""
    return {
        f"{table} {name}": (fields.objects(name), fields.adapter(name))
        for table, fields in _tables(inventory).items()
        for name in fields.kept.items
        if not fields.is_text(name)
    }


def _coded(inventory: Inventory) -> dict[str, _Coded]:
    """The columns of numbers of values, with the values."""
    found: dict[str, _Coded] = {
        f"{table} {name}": (terms, fields.numbers(name), fields.adapter(name))
        for table, fields in _tables(inventory).items()
        for name, terms in fields.terms.items()
    }
    machines, residents = inventory.machines, inventory.residents
    return found | {
        "replica held": (residents.held, residents.replica_columns["held"], _NUMBERS),
        "workload order": (residents.orders, residents.columns["order"], _NUMBERS),
        "device tellers": (machines.readings.tellers, machines.readings.columns[TELLERS], _SOURCES),
        "node groups": (machines.groupings, machines.grouped, _GROUPS),
    }


def _tables(inventory: Inventory) -> dict[str, Any]:
    machines, residents = inventory.machines, inventory.residents
    return {"node": machines.fields, "device": machines.devices, "workload": residents.fields}


def _array(kind: str, part: bytes | memoryview) -> NDArray[Any]:
    return np.frombuffer(part, dtype=kind).copy()
