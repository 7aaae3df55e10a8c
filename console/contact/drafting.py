"""A skeleton of facts for a cluster that no fact knows: what was observed, and a placeholder for everything else.

Pure. Every placeholder denies: `ZZ` is no country, an empty list allows nothing, no budget leaves no power, and the
draft has expired when it is written. Labels group nodes into racks for whoever fills it in and signs; they are a hint
and never a fact.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from textwrap import dedent
from typing import Any, Final

import yaml

from console.contact.describing import Inventory, TenantRow
from console.contact.grounds import Ground
from estate import names
from estate.law import Facts
from estate.records import write_time
from tools.inventory import files

NOBODY: Final = "fill-in"
"""The legal person that stands for every one that is not named yet."""
NOWHERE: Final = "ZZ"
"""A code that ISO 3166 gives to no country: no limit can allow it."""
ZONE: Final = "topology.kubernetes.io/zone"
CLIQUE: Final = "nvidia.com/gpu.clique"
_WIDTH = 120

type Labels = Mapping[str, Mapping[str, str]]


def draft(ground: Ground, seen: Inventory, labels: Labels, now: datetime) -> str:
    """The skeleton as YAML with comments; it parses as facts, and permits nothing."""
    text = "\n".join(_parts(ground, seen, labels, now))
    files.parse(Facts, text.encode(), "the draft")
    return text


def _parts(ground: Ground, seen: Inventory, labels: Labels, now: datetime) -> Iterator[str]:
    racks, homeless = _racks(seen, labels)
    yield _told(_HEAD.format(cluster=ground.cluster, at=write_time(now)))
    yield _yaml({"kind": "placet.facts", "v": 1, "version": 1, "author": NOBODY, "basis": NOBODY})
    yield _told(
        "FILL: until when this may be relied on. It lies in the past, and facts that have expired permit nothing."
    )
    yield _yaml({"valid_until": write_time(now)})
    yield _told(_ENTITIES)
    yield _yaml({"entities": [{"id": NOBODY, "name": NOBODY, "seat": NOWHERE, "parents": [], "compelled_by": []}]})
    yield _told(_SITES)
    yield _yaml({"sites": [_site(ground)]})
    yield _told(_RACKS)
    yield _yaml({"racks": [_rack(ground, name, nodes) for name, nodes in sorted(racks.items())]})
    if homeless:
        yield _told("No label says where these stand; what is in no rack is denied:")
        yield _told("\n".join(f"- {name}" for name in homeless))
    yield _told(_CLUSTER)
    yield _yaml({"clusters": [_cluster(ground)]})
    yield _told(_TENANTS.format(cluster=ground.cluster))
    yield _yaml({"tenants": [], "datasets": []})
    yield _told("Namespaces with accelerators, none of them assigned to a tenant:")
    yield _told("\n".join(_namespace(ground, row) for row in seen.unassigned) or "none")


def _racks(seen: Inventory, labels: Labels) -> tuple[dict[str, list[str]], list[str]]:
    """Node ids by what their labels call the place, and those that say nothing."""
    racks: defaultdict[str, list[str]] = defaultdict(list)
    homeless: list[str] = []
    cliques = Counter(of[CLIQUE] for of in labels.values() if CLIQUE in of)
    for node in seen.nodes:
        place = _place(labels.get(node.name, {}), cliques)
        (racks[place] if place else homeless).append(str(node.id))
    return dict(racks), homeless


def _place(labels: Mapping[str, str], cliques: Counter[str]) -> str:
    """Zone and rack where labels name a rack, else zone and the NVLink clique that several share, else the zone."""
    clique = labels.get(CLIQUE, "")
    rack = next((value for key, value in sorted(labels.items()) if key.rpartition("/")[2] == "rack" and value), "")
    shared = clique if cliques[clique] > 1 else ""
    return ".".join(part for part in (labels.get(ZONE, ""), rack or shared) if part)


def _site(ground: Ground) -> dict[str, Any]:
    kept: dict[str, Any] = {f: [] for f in ("replicas_in", "backups_in", "telemetry_in")}
    return {"id": str(ground.cluster), "country": NOWHERE, "owner": NOBODY, **kept}


def _rack(ground: Ground, place: str, nodes: list[str]) -> dict[str, Any]:
    name = names.slug(f"{ground.cluster}.{place}".lower())
    return {"id": name, "site": str(ground.cluster), "power_budget_watts": 0, "nodes": nodes}


def _cluster(ground: Ground) -> dict[str, Any]:
    roles = ("operator", "key_holder", "update_authority", "stop_authority")
    known = {"id": str(ground.cluster), "uid": str(ground.uid), "site": str(ground.cluster)}
    return {**known, **dict.fromkeys(roles, NOBODY), "subprocessors": [], "admins_in": [], "support_in": []}


def _namespace(ground: Ground, row: TenantRow) -> str:
    (name,) = row.namespaces
    return (
        f"- {{cluster: {ground.cluster}, name: {name}}}  ({row.workloads} workloads, {row.accelerators} accelerators)"
    )


def _yaml(part: dict[str, Any]) -> str:
    return yaml.safe_dump(part, sort_keys=False, width=_WIDTH).rstrip()


def _told(text: str) -> str:
    """Lines of a comment. What was observed is quoted in it: no line of it may end the comment."""
    return "\n".join(f"# {line}".rstrip() for line in dedent(text).strip().splitlines())


_HEAD = """
    Facts of cluster `{cluster}`, drafted by `placet connect` at {at}: a skeleton, not a law base.

    Nothing here is true until a person has checked it, and nothing counts until that person has signed it
    (`placet init --facts FILE`). Every unknown is a placeholder that denies: `ZZ` is no country, an empty list
    allows nothing, 0 W leaves no room for a change. Look for FILL, and look again with `placet connect --facts FILE`.

    FILL: `author`, who answers for these facts (nobody who approves changes), and `basis`, what they rest on.
"""
_ENTITIES = """
    FILL: every legal person that owns, operates, holds keys, updates or can switch off; its seat, everybody who
    controls it (`parents`), and the countries beyond its seat whose authorities can compel it.
"""
_SITES = """
    FILL: the place with walls: its country, its owner, and where replicas, backups and telemetry come to rest.
    A cluster stands at one site; zones far apart are sites, and clusters, of their own.
"""
_RACKS = """
    FILL: grouped by the labels for zone, rack and NVLink clique, which anybody who may label nodes can write. Check
    where each node stands, and give each rack the power budget of its feed.
"""
_CLUSTER = """
    FILL: who operates it, holds its keys, updates it and can stop it, and from where it is administered and supported.
    The uid was observed: it is that of the namespace `kube-system`.
"""
_TENANTS = """
    FILL: whose work runs here. A namespace that no tenant claims is nobody's, and nothing of it may be moved:
    - id: tenant-a
      name: ...
      entity: fill-in
      residency: {{geographic: [], legal: [], operational: []}}
      isolation: dedicated-cluster
      disruption: approval
      namespaces: [{{cluster: {cluster}, name: ...}}]
"""
