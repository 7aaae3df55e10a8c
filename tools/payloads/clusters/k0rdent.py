"""k0rdent: deployments of clusters and services, the templates that they are made from, credentials by name.

What a deployment configures is its provider's business and stays outside, but for the few fields that every template
names alike; its digest tells whether it changed. The data of a Secret is never looked at.
"""

from __future__ import annotations

import json

from estate import canonical
from tools.payloads import reading
from tools.payloads.clusters.sheets import Sheet, count, maybe, named
from tools.payloads.facts.statements import Attribute, Status, Tie

_MOST_UPGRADES = 256
_REGIONS = ("region", "location")


def deployment(sheet: Sheet, raw: reading.Fields) -> None:
    """A ClusterDeployment: template, credential, size and region, and how far it is."""
    spec, status = raw.within("spec", required=True), raw.within("status")
    template = named(spec, "template")
    sheet.say(sheet.subject, Attribute.TEMPLATE, template)
    sheet.tie(sheet.subject, Tie.MADE_FROM, sheet.object("ClusterTemplate", sheet.group, sheet.namespace, template))
    sheet.say(sheet.subject, Attribute.CREDENTIAL, maybe(spec, "credential"))
    if spec.has("dryRun"):
        sheet.judge(sheet.subject, "DryRun", Status.TRUE if spec.flag("dryRun", False) else Status.FALSE)
    config = spec.within("config")
    sheet.say(sheet.subject, Attribute.REGION, reading.pick(config.texts(), _REGIONS))
    sheet.say(sheet.subject, Attribute.CONTROL_PLANE_NODES, count(config, "controlPlaneNumber"))
    sheet.say(sheet.subject, Attribute.WORKER_NODES, count(config, "workersNumber"))
    sheet.say(sheet.subject, Attribute.CONFIG_DIGEST, _digest(spec.raw("config")))
    sheet.say(sheet.subject, Attribute.VERSION, reading.name(status.text("k8sVersion", "")))
    for upgrade in [u for u in status.items("availableUpgrades") if isinstance(u, str)][:_MOST_UPGRADES]:
        sheet.say(sheet.subject.of(f"upgrade/{reading.name(upgrade)}"), Attribute.UPGRADE, reading.name(upgrade))
    _services(sheet, spec.within("serviceSpec"))
    sheet.conditions(sheet.subject, status)


def template(sheet: Sheet, raw: reading.Fields) -> None:
    """A ClusterTemplate, ServiceTemplate or ProviderTemplate: its chart, and whether k0rdent found it valid."""
    spec, status = raw.within("spec", required=True), raw.within("status")
    chart = spec.within("helm").within("chartSpec")
    sheet.say(sheet.subject, Attribute.CHART, reading.name(chart.text("chart", "")))
    sheet.say(sheet.subject, Attribute.VERSION, reading.name(chart.text("version", "")))
    providers = [p for p in status.items("providers") if isinstance(p, str)]
    sheet.say(sheet.subject, Attribute.PROVIDERS, reading.name(",".join(sorted(providers))))
    if status.has("valid"):
        valid = Status.TRUE if status.flag("valid", False) else Status.FALSE
        why = canonical.clean_text(status.text("validationError", ""))
        sheet.judge(sheet.subject, "Valid", valid, message=why)


def credential(sheet: Sheet, raw: reading.Fields) -> None:
    """A Credential: which identity it names, and whether it is ready."""
    spec, status = raw.within("spec"), raw.within("status")
    identity = spec.within("identityRef")
    kind, name = reading.name(identity.text("kind")), named(identity, "name")
    group = reading.name(identity.text("apiVersion", "")).rpartition("/")[0]
    sheet.tie(sheet.subject, Tie.MADE_FROM, sheet.object(kind, group, maybe(identity, "namespace"), name))
    if status.has("ready"):
        sheet.judge(sheet.subject, "Ready", Status.TRUE if status.flag("ready", False) else Status.FALSE)
    sheet.conditions(sheet.subject, status)


def services(sheet: Sheet, raw: reading.Fields) -> None:
    """A MultiClusterService: the services that it lays on the clusters it selects."""
    _services(sheet, raw.within("spec").within("serviceSpec"))
    sheet.conditions(sheet.subject, raw.within("status"))


def _services(sheet: Sheet, spec: reading.Fields) -> None:
    for number, item in enumerate(spec.items("services")):
        service = reading.Fields(item, f"{spec.place('services')}.{number}")
        part = sheet.subject.of(f"service/{maybe(service, 'namespace')}/{named(service, 'name')}")
        sheet.say(part, Attribute.TEMPLATE, named(service, "template"))


def _digest(config: object) -> str:
    """Of the configuration as JSON with sorted keys; it may hold fractions, which no canonical form has."""
    if config is None:
        return ""
    return canonical.digest(json.dumps(config, sort_keys=True, allow_nan=False).encode("utf-8", "surrogatepass"))
