"""`placet doctor`: what is wrong with an installation, and what to do about it. Looks; changes nothing."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from console import clusters, whereabouts
from console.roles import RoleRecord, needs
from console.state import ROLE_KEYS, StateDirectory
from estate.errors import PlacetError
from estate.records import Model
from tools.kubernetes.reviewing import Part

if TYPE_CHECKING:
    from console.cli.invocations import Invocation
    from console.config import Credentials
    from console.door.commands import Reply
    from estate.ids import ClusterId, Uid
    from estate.law import Facts

FACTS_SOON = timedelta(days=30)
MOST_FAULTS = 20
SKEW_SECONDS = 30
"""Of one sort that are told."""


class Finding(Model):
    """One thing that was looked at."""

    check: str
    well: bool
    found: str
    remedy: str = ""


def examine(invocation: Invocation) -> tuple[Finding, ...]:
    """Everything that can be checked from here, in order; a check that fails to run is itself a finding."""
    state = invocation.state()
    return (
        _checked("installation", lambda: f"{state.record().id} in {state.root}"),
        *_private(state),
        _checked("configuration", lambda: f"{len(invocation.settings().channels)} channels"),
        *(_checked(f"key of the {role}", partial(_key, state, role)) for role in _keys(state)),
        *([_checked("facts", lambda: _facts(state))] if _role(state) is None or state.facts_path.exists() else []),
        _checked("rules", lambda: _rules(invocation)),
        *([_checked("nats-server", _nats_server)] if _role(state) is None else []),
        *([_checked("certificate of the NATS server", lambda: _served(state))] if state.served_path.exists() else []),
        *_world(state),
        *_clusters(invocation),
        *_sources(invocation),
        *_system(invocation),
    )


def _checked(check: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(check=check, well=True, found=look())
    except OSError as error:
        return Finding(check=check, well=False, found=f"{error.filename}: {error.strerror}", remedy="run `placet init`")
    except PlacetError as error:
        return _failed(check, error)


def _private(state: StateDirectory) -> Iterator[Finding]:
    shared = [str(p) for p in (state.root, *state.root.rglob("*")) if _is_shared(p)]
    remedy = f"chmod -R go= {state.root}" if shared else ""
    yield Finding(check="modes", well=not shared, found=", ".join(shared[:3]) or "private", remedy=remedy)


def _is_shared(path: Path) -> bool:
    if path.is_symlink():
        return True
    secret = path.is_dir() or path.suffix in {".key", ".secret", ".token", ".password", ".kubeconfig"}
    return secret and bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


def _role(state: StateDirectory) -> RoleRecord | None:
    """The role that the directory was issued for, as far as can be told."""
    try:
        return state.role()
    except PlacetError:
        return None


def _keys(state: StateDirectory) -> tuple[str, ...]:
    """The keys that must be here: all of them in a whole installation, else those of the role."""
    role = _role(state)
    return ROLE_KEYS if role is None else needs(role.name).keys


def _key(state: StateDirectory, role: str) -> str:
    from policies.signing.files import FileSigner

    return FileSigner.load(state.key_path(role)).key_id


def _signed(state: StateDirectory) -> Facts:
    from console.lawgivers import facts_ring
    from policies.signed_facts import open_facts

    return open_facts(state.facts_path.read_bytes(), facts_ring(state.record()), datetime.now(UTC))


def _facts(state: StateDirectory) -> str:
    from estate.errors import BadInput

    facts, now = _signed(state), datetime.now(UTC)
    if facts.valid_until < now + FACTS_SOON:
        raise BadInput(f"they expire on {facts.valid_until:%Y-%m-%d}; have them reviewed and signed again")
    return f"version {facts.version} by {facts.author}, valid until {facts.valid_until:%Y-%m-%d}"


def _rules(invocation: Invocation) -> str:
    from console import profiles

    law = profiles.bundle(invocation.settings().profile)
    return f"{law.digest}, profile {law.profile.name}"


def _served(state: StateDirectory) -> str:
    from console import authorities
    from estate.errors import BadInput

    until = authorities.ends(state.served_path.read_bytes())
    if until < datetime.now(UTC) + FACTS_SOON:
        raise BadInput(f"it ends on {until:%Y-%m-%d}; run `placet issue nats`, and reload the server")
    return f"good until {until:%Y-%m-%d}"


def _nats_server() -> str:
    from tools.bus.server import find_binary

    return str(find_binary())


def _clusters(invocation: Invocation) -> Iterator[Finding]:
    """Each account of each cluster that is configured here, as the API server itself answers."""
    try:
        configured = invocation.settings().clusters
    except PlacetError:
        return  # the configuration has a finding of its own
    for cluster in configured:
        accounts = {Part.READER: cluster.reader, Part.WRITER: cluster.writer, Part.REGISTRAR: cluster.registrar}
        for part, credentials in accounts.items():
            if credentials is not None:
                yield from _account(invocation.state(), cluster.id, part, credentials)


def _account(state: StateDirectory, cluster: ClusterId, part: Part, credentials: Credentials) -> Iterator[Finding]:
    check = f"{part.value} of {cluster}"
    try:
        found = asyncio.run(clusters.account(credentials, part, cluster, _tenants_namespaces(state, cluster)))
    except PlacetError as error:
        yield _failed(check, error)
        return
    yield _checked(f"{check}: cluster", lambda: _is_known(state, cluster, found.uid))
    if not found.faults:
        yield Finding(check=check, well=True, found=f"`{found.who}`: {len(found.rows)} accesses are as they should be")
    for row in found.faults:
        told = f"`{row.who}` {'may' if row.found else 'may not'} {row}"
        expected = "may" if row.expected else "may not"
        remedy = f"{part.value}s {expected}: bind no more and no less than `placet policy export rbac` says"
        yield Finding(check=check, well=False, found=told, remedy=remedy)


def _world(state: StateDirectory) -> Iterator[Finding]:
    """Where the world that a new twin begins with contradicts the facts: what would be denied there, and why."""
    if not (state.facts_path.exists() and state.world_path.exists()):
        return
    from estate.worlds import World
    from tools.inventory import files, findings

    path = state.world_path
    try:
        found = findings.cross_check(_signed(state), files.parse(World, path.read_bytes(), str(path)))
    except (OSError, PlacetError):
        return  # the facts have a finding of their own; a world that cannot be read stops `placet run` with its words
    for fault in found[:MOST_FAULTS]:
        told = f"{fault.about.kind.value} {fault.about.id}: {fault.fault}"
        yield Finding(check="world", well=False, found=told, remedy=fault.remedy)


def _sources(invocation: Invocation) -> Iterator[Finding]:
    """Each target that the inventory asks, asked once from here: where the inventory runs, and nowhere else."""
    role = _role(invocation.state())
    try:
        settings = invocation.settings().sources
    except PlacetError:
        return  # the configuration has a finding of its own
    if role is not None and role.name != "inventory":
        return
    if not any(of for _, of in settings):
        return
    from console.installations import utc_now
    from tools.inventory.asking import registry

    for name, heard in sorted(asyncio.run(registry.tried(settings, utc_now)).items()):
        found, _, remedy = heard.failure.partition("; ")
        if heard.failure:
            yield Finding(check=f"source {name}", well=False, found=found, remedy=remedy or "correct it in placet.yaml")
            continue
        readings = sum(len(r) for r in heard.readings)
        faults = f", {len(heard.faults)} that cannot be read" if heard.faults else ""
        yield Finding(check=f"source {name}", well=True, found=f"{len(heard.facts)} facts, {readings} readings{faults}")


def _tenants_namespaces(state: StateDirectory, cluster: ClusterId) -> frozenset[str] | None:
    """Where facts let the writer write objects; None where this directory has no facts."""
    if _role(state) is not None and not state.facts_path.exists():
        return None
    return frozenset(namespace for where, namespace in _signed(state).tenant_of if where == cluster)


def _is_known(state: StateDirectory, cluster: ClusterId, uid: Uid) -> str:
    from tools.kubernetes import naming

    if _role(state) is None or state.facts_path.exists():
        naming.recognise(_signed(state), cluster, uid)
    return f"uid {uid}"


def _failed(check: str, error: PlacetError) -> Finding:
    found, _, remedy = str(error).partition("; ")
    return Finding(check=check, well=False, found=found, remedy=remedy)


def _system(invocation: Invocation) -> Iterator[Finding]:
    """What the running system says of itself; that none runs is no fault."""
    try:
        where = whereabouts.read(invocation.state())
    except PlacetError as error:
        yield Finding(check="system", well=True, found=str(error))
        return
    yield Finding(check="system", well=True, found=f"process {where.pid}, HTTP port {where.http_port}")
    try:
        reply = asyncio.run(_diagnosis(invocation))
    except PlacetError as error:
        yield Finding(check="front door", well=False, found=str(error))
        return
    yield from _diagnosed(reply)


async def _diagnosis(invocation: Invocation) -> Reply:
    from console.door.commands import Diagnose

    async with invocation.door() as client:
        return await client.call(Diagnose())


def _heard(silences: object) -> Iterator[Finding]:
    """Whether the gate said in every period that it was there."""
    missing = [str(s) for s in silences] if isinstance(silences, list) else []
    remedy = "nothing was decided or recorded then; look at the logs of gate and ledger" if missing else ""
    found = ", ".join(missing[:MOST_FAULTS]) or "steady"
    yield Finding(check="heartbeat", well=not missing, found=found, remedy=remedy)


def _strangers(unregistered: object) -> Finding:
    """Whether everything that acts here is registered by signed facts, as it is."""
    from policies.makers import REGISTER

    found = [str(s) for s in unregistered] if isinstance(unregistered, list) else []
    told = "; ".join(found[:MOST_FAULTS]) or "all that acts here is registered"
    remedy = f"after an upgrade, `{REGISTER}`; else find out what it is, and stop it" if found else ""
    return Finding(check="components", well=not found, found=told, remedy=remedy)


def _clocks(told: Mapping[str, object], now: datetime) -> Finding:
    """Whether gate and executors refused something of late for its time, and whether this clock is the console's."""
    found = told.get("skews")
    faults = [str(s) for s in found] if isinstance(found, list) else []
    theirs = datetime.fromisoformat(str(told["clock"])) if "clock" in told else now
    if abs(apart := round((now - theirs).total_seconds())) > SKEW_SECONDS:
        faults.append(f"this clock is {abs(apart)} s {'ahead of' if apart > 0 else 'behind'} the console's")
    remedy = "set the clocks, by NTP or PTP; what is dated ahead is refused" if faults else ""
    return Finding(check="clocks", well=not faults, found="; ".join(faults[:MOST_FAULTS]) or "together", remedy=remedy)


def _law(told: object) -> Iterator[Finding]:
    """Whether the rules that the gate decides by are signed, and not only for some days more."""
    if not isinstance(told, dict) or not told:
        yield Finding(check="law", well=True, found="no gate has decided here yet")
        return
    until = str(told.get("valid_until", ""))
    soon = until and datetime.fromisoformat(until) < datetime.now(UTC) + FACTS_SOON
    fault = str(told["fault"]) or (f"the signature under the rules ends at {until}" if soon else "")
    found = fault or f"{told['digest']}, signed by {told['by']} until {until}"
    yield Finding(check="law", well=not fault, found=found, remedy="placet policy sign" if fault else "")


def _diagnosed(reply: Reply) -> Iterator[Finding]:
    if not reply.ok or not isinstance(reply.result, dict):
        yield Finding(check="front door", well=False, found=reply.message, remedy="ask as an operator: --as NAME")
        return
    told = reply.result
    letters = told["dead_letters"]
    yield Finding(check="inventory", well=not told["stale"], found=str(told["stale"] or told["snapshot"]))
    yield Finding(check="ledger", well=True, found=f"{told['entries']} entries")
    yield from _law(told.get("law"))
    reviews = told.get("reviews_due")
    due = [str(d) for d in reviews] if isinstance(reviews, list) else []
    remedy = "placet break-glass --review ID --reason FINDING" if due else ""
    yield Finding(check="broken glass", well=not due, found=", ".join(due) or "no review due", remedy=remedy)
    yield from _heard(told.get("silences"))
    yield _strangers(told.get("unregistered"))
    yield _clocks(told, datetime.now(UTC))
    remedy = "placet dlq list" if letters else ""
    yield Finding(check="dead letters", well=not letters, found=str(letters), remedy=remedy)
