"""Cluster API: clusters, machines, their sets and health checks, in v1beta1 and v1beta2.

A v1beta1 object may carry the newer conditions under `status.v1beta2`: those are read where they are there.
"""

from __future__ import annotations

from tools.payloads import reading
from tools.payloads.clusters.sheets import Sheet, count, maybe, named
from tools.payloads.facts import mentions
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.statements import Attribute, Status, Tie

_GROUP = "cluster.x-k8s.io"


def cluster(sheet: Sheet, raw: reading.Fields) -> None:
    """A Cluster."""
    spec, status = raw.within("spec"), raw.within("status")
    sheet.say(sheet.subject, Attribute.PHASE, reading.name(status.text("phase", "")))
    sheet.say(sheet.subject, Attribute.VERSION, reading.name(spec.within("topology").text("version", "")))
    _paused(sheet, spec)
    _conditions(sheet, status)


def machine(sheet: Sheet, raw: reading.Fields) -> None:
    """A Machine and the node that it became."""
    spec, status = raw.within("spec"), raw.within("status")
    _of_cluster(sheet, spec)
    sheet.say(sheet.subject, Attribute.PHASE, reading.name(status.text("phase", "")))
    sheet.say(sheet.subject, Attribute.VERSION, reading.name(spec.text("version", "")))
    if provider := reading.name(spec.text("providerID", "")):
        sheet.tie(sheet.subject, Tie.SAME_AS, mentions.provider(provider))
    if node := maybe(status.within("nodeRef"), "name"):
        workload_cluster = reading.name(spec.text("clusterName", ""))
        sheet.tie(sheet.subject, Tie.SAME_AS, Mention(MentionKind.NODE, node, workload_cluster))
    _conditions(sheet, status)


def replicated(sheet: Sheet, raw: reading.Fields) -> None:
    """A MachineDeployment, MachineSet, MachinePool or control plane: how many are wanted and ready."""
    spec, status = raw.within("spec"), raw.within("status")
    if spec.has("clusterName"):
        _of_cluster(sheet, spec)
    sheet.say(sheet.subject, Attribute.WANTED_NODES, count(spec, "replicas"))
    sheet.say(sheet.subject, Attribute.READY_NODES, count(status, "readyReplicas"))
    updated = "upToDateReplicas" if status.has("upToDateReplicas") else "updatedReplicas"
    sheet.say(sheet.subject, Attribute.UPDATED_NODES, count(status, updated))
    each = spec.within("template").within("spec")
    sheet.say(sheet.subject, Attribute.VERSION, reading.name(spec.text("version", "") or each.text("version", "")))
    strategy = spec.within("remediationStrategy") if spec.has("remediationStrategy") else spec.within("remediation")
    sheet.say(sheet.subject, Attribute.MOST_REPAIRS, count(strategy, "maxRetry"))
    _conditions(sheet, status)


def health_check(sheet: Sheet, raw: reading.Fields) -> None:
    """A MachineHealthCheck: which conditions it repairs after how long, and above which share it stops."""
    spec, status = raw.within("spec"), raw.within("status")
    _of_cluster(sheet, spec)
    older = spec.raw("maxUnhealthy")
    limit = spec.within("remediation").within("triggerIf").raw("unhealthyLessThanOrEqualTo")
    found = limit if limit is not None else older
    sheet.say(sheet.subject, Attribute.REPAIRS_WHILE_UNHEALTHY, None if found is None else reading.shown(found))
    checks = spec.within("checks") if spec.has("checks") else spec
    kinds = [
        f for f in ("unhealthyNodeConditions", "unhealthyMachineConditions", "unhealthyConditions") if checks.has(f)
    ]
    for field in kinds:
        for number, item in enumerate(checks.items(field)):
            _repaired(sheet, reading.Fields(item, f"{checks.place(field)}.{number}"))
    sheet.say(sheet.subject, Attribute.WANTED_NODES, count(status, "expectedMachines"))
    sheet.say(sheet.subject, Attribute.HEALTHY_NODES, count(status, "currentHealthy"))
    _conditions(sheet, status)


def _repaired(sheet: Sheet, check: reading.Fields) -> None:
    part = sheet.subject.of(f"{reading.name(check.text('type'))}={reading.name(check.text('status'))}")
    seconds = count(check, "timeoutSeconds")
    after = f"{seconds}s" if seconds is not None else reading.name(check.text("timeout", ""))
    sheet.say(part, Attribute.REPAIRS_AFTER, after)


def _of_cluster(sheet: Sheet, spec: reading.Fields) -> None:
    owner = sheet.object("Cluster", _GROUP, sheet.namespace, named(spec, "clusterName"))
    sheet.tie(sheet.subject, Tie.MEMBER_OF, owner)


def _paused(sheet: Sheet, spec: reading.Fields) -> None:
    if spec.has("paused"):
        sheet.judge(sheet.subject, "Paused", Status.TRUE if spec.flag("paused", False) else Status.FALSE)


def _conditions(sheet: Sheet, status: reading.Fields) -> None:
    newer = status.within("v1beta2")
    sheet.conditions(sheet.subject, newer if newer.has("conditions") else status)
