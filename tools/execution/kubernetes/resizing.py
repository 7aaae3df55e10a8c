"""ScaleMachineGroup on Cluster API: the number of a MachineDeployment, by server-side apply, and the wait for machines.

Which machine leaves is Cluster API's to choose, unless it bears a mark: the machines behind the nodes that a change
names are marked first, each known by its provider id, and nothing is written where the mark would not decide (a
rollout, a machine that ends, another one marked). What no change names is a machine that never became a node. Nothing
is made or deleted here, and no node is written.
"""

from __future__ import annotations

from collections.abc import Sequence

from estate import pooling
from estate.changes import ScaleMachineGroup
from estate.changes.kinds import unknown
from estate.conditions import Condition
from estate.errors import NeverRetry
from estate.ids import NodeId
from estate.results import Refusal, RefusalCode
from tools.execution.kubernetes import groups, keys
from tools.execution.kubernetes.groups import LEAVES, Member
from tools.execution.kubernetes.means import Means
from tools.execution.kubernetes.templates import with_replicas
from tools.execution.kubernetes.watching import Since
from tools.execution.kubernetes.writing import Found, Outrun, apply
from tools.execution.port import StepKey
from tools.kubernetes import ownership


async def write(
    means: Means, key: StepKey, change: ScaleMachineGroup, preconditions: Sequence[Condition]
) -> Refusal | None:
    """Write the number once, while the preconditions hold, and wait until the machines work, or are gone.

    Raises as the port says; NeverRetry where the time that the change gives ended first.
    """

    async def attempt() -> Found | Refusal | None:
        return await _begin(means, key, change, preconditions)

    answer = await means.patience.insist(attempt, only=Outrun)
    if isinstance(answer, Found):
        await _awaited(means, change, answer)
        return None
    return answer


async def rehearsed(
    means: Means, key: StepKey, change: ScaleMachineGroup, preconditions: Sequence[Condition]
) -> Refusal | None:
    """Why it would be refused, with a dry run of its first write; None where it would not."""
    group = await _group(means, change)
    leaving = group if isinstance(group, Refusal) else await _leaving(means, change, group)
    if isinstance(group, Refusal) or isinstance(leaving, Refusal):
        return leaving if isinstance(leaving, Refusal) else None
    for member in leaving[:1]:
        marked = await _marked(member, key, dry_run=True)
        if isinstance(marked, Refusal):
            return marked
    sized = await _sized(group, key, change, dry_run=True)
    return sized if isinstance(sized, Refusal) else None


async def _begin(
    means: Means, key: StepKey, change: ScaleMachineGroup, preconditions: Sequence[Condition]
) -> Found | Refusal | None:
    """The group as it was written, now or before; None: a later step is past it."""
    group = await _group(means, change)
    if isinstance(group, Refusal):
        return group
    if keys.holds(group.raw, key):
        return group if keys.newest(group.raw, key) else None
    if refusal := await means.unmet(preconditions):
        return refusal
    leaving = await _leaving(means, change, group, key)
    if isinstance(leaving, Refusal):
        return leaving
    marked: list[Found] = []
    for member in leaving:
        mark = await _marked(member, key)
        if isinstance(mark, Refusal):
            return await _taken_back(marked, key, mark)
        marked.append(mark)
    sized = await _sized(group, key, change)
    return await _taken_back(marked, key, sized) if isinstance(sized, Refusal) else sized


async def _group(means: Means, change: ScaleMachineGroup) -> Found | Refusal:
    home = pooling.home(change.group)
    if home is None or not means.reach.holds(home.cluster):
        where = f"in `{home.cluster}`, which this executor does not write" if home else "an object of no cluster"
        return _refused(change, f"is {where}; give it that cluster's credentials, or name a group that is read there")
    return await means.reach.group(home) or unknown(change.target())


async def _leaving(
    means: Means, change: ScaleMachineGroup, group: Found, key: StepKey | None = None
) -> tuple[Member, ...] | Refusal:
    """The machines to be marked: those behind the nodes that are named, then such as never became one."""
    fewer = (groups.wanted(group) or 0) - change.machines
    if fewer <= 0:
        rival = groups.scaled_by_others(group)
        return _refused(change, f"is sized by {rival}, which would undo it; settle that first") if rival else ()
    machines = await groups.members(group)
    if why := groups.unsettled(group, machines) or _already_marked(machines, key):
        return _refused(change, why)
    named = [await _behind(means, change, machines, n) for n in change.leaving]
    if lost := [n for n, member in zip(change.leaving, named, strict=True) if member is None]:
        return _refused(change, f"has no machine that is known to be node `{lost[0]}` by its provider's id")
    unborn = [m for m in machines if not m.node][: fewer - len(named)]
    if len(named) + len(unborn) < fewer:
        why = f"would give back {fewer - len(named)} machines that never became nodes, and has {len(unborn)}"
        return _refused(change, f"{why}; some of its machines are nodes already: cordon and drain one, and name it")
    return (*(m for m in named if m is not None), *unborn)


def _already_marked(machines: Sequence[Member], key: StepKey | None) -> str:
    """Another's mark would be obeyed as much as ours."""
    foreign = [m for m in machines if m.marked and not (key is not None and keys.holds(m.found.raw, key))]
    return f"has machine `{foreign[0].found.address.name}` marked to leave by somebody else" if foreign else ""


async def _behind(means: Means, change: ScaleMachineGroup, machines: Sequence[Member], node: NodeId) -> Member | None:
    """The machine that is that node: of the cluster that facts name, by the provider's id of both."""
    pool, found = means.reach.facts.pool.get(change.group), await means.reach.node(node)
    if pool is None or found is None or means.reach.cluster_of(found) != pool.cluster:
        return None
    provider = str(found.raw["spec"].get("providerID") or "")
    same = (m for m in machines if provider and m.provider == provider and m.node == found.address.name)
    return next(same, None)


async def _marked(member: Member, key: StepKey, *, dry_run: bool = False) -> Found | Refusal:
    """The machine with the mark; the write is of the very object that was read, so that it is no node meanwhile."""
    found = member.found
    if keys.holds(found.raw, key):
        return found
    held = ownership.owned(found.raw)
    about = held.get("metadata") or {}
    notes = dict(about.get("annotations") or {}) | {LEAVES: "placet"}
    held = {**held, "metadata": {**about, "annotations": notes}}
    return await apply(found, keys.stamped(found.raw, key), held, dry_run=dry_run)


async def _sized(group: Found, key: StepKey, change: ScaleMachineGroup, *, dry_run: bool = False) -> Found | Refusal:
    held = with_replicas(ownership.owned(group.raw), change.machines)
    return await apply(group, keys.stamped(group.raw, key), held, dry_run=dry_run)


async def _taken_back(marked: Sequence[Found], key: StepKey, refusal: Refusal) -> Refusal:
    """What was marked is so no more: a mark that stays would choose for whoever sizes the group next."""
    for found in marked:
        held = ownership.owned(found.raw)
        about = dict(held.get("metadata") or {})
        notes = {k: v for k, v in (about.get("annotations") or {}).items() if k != LEAVES}
        await apply(
            found, keys.stamped(found.raw, key, withdrawn=True), {**held, "metadata": {**about, "annotations": notes}}
        )
    return refusal


async def _awaited(means: Means, change: ScaleMachineGroup, group: Found) -> None:
    """Until all of it works, or what was named is gone. Raises NeverRetry when its time is over."""
    home = pooling.home(change.group)
    assert home is not None, "it was found by that"

    async def look() -> Found | None:
        return await means.reach.group(home)

    def settled(found: Found | None) -> bool:
        if found is None or _count(found) != change.machines:
            return False
        return bool(change.leaving) or groups.working(found) == change.machines

    at = group.address
    watched = [Since.of(group.connection, at.resource, at.namespace, at.name)]
    deadline = means.limits.deadline(min(change.within_minutes * 60.0, means.limits.machines))
    seen = await deadline.until(look, settled, lambda _: watched)
    if not settled(seen):
        here, work = (_count(seen), groups.working(seen)) if seen is not None else (0, 0)
        raise NeverRetry(
            f"`{change.target()}` shall have {change.machines} machines within {change.within_minutes} minutes, and has"
            f" {here}, of which {work} work; see what its provider says of them"
        )


def _count(group: Found) -> int:
    return int((group.raw.get("status") or {}).get("replicas") or 0)


def _refused(change: ScaleMachineGroup, why: str) -> Refusal:
    about = str(change.target())
    return Refusal(code=RefusalCode.NOT_SUPPORTED, about=about, message=f"`{about}` {why}")
