"""How many of what a cloud lets us have: AWS' service quotas, Google's regional quotas, Azure's usage."""

from __future__ import annotations

import re

from tools.payloads import reading
from tools.payloads.clouds import amounts
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.statements import Fact, Quota, Witness

_ARN = re.compile(r"arn:aws[\w\-]*:servicequotas:(?P<region>[a-z0-9\-]{2,30}):.*", re.ASCII)


def aws(item: reading.Fields, witness: Witness, region: str) -> Fact | None:
    """One of `aws service-quotas list-service-quotas`. What is used stands elsewhere."""
    found = _ARN.fullmatch(item.text("QuotaArn", ""))
    where = found["region"] if found else region
    name = reading.name(item.text("QuotaName"))
    subject = Mention(MentionKind.OFFER, f"{where}/{reading.name(item.text('QuotaCode'))}", "aws", name)
    return Quota(
        subject, amounts.count(item, "Value"), None, "vcpu" if "instances" in name.lower() else "unit", witness
    )


def gcp(item: reading.Fields, witness: Witness, region: str) -> Fact | None:
    """One of a region's `quotas`."""
    metric = reading.name(item.text("metric"))
    subject = Mention(MentionKind.OFFER, f"{region}/{metric}", "gcp")
    counted = "gpu" if metric.endswith("_GPUS") else "unit"
    return Quota(subject, amounts.count(item, "limit"), amounts.count(item, "usage"), counted, witness)


def azure(item: reading.Fields, witness: Witness, region: str) -> Fact | None:
    """One of `az vm list-usage`, which names no region: its reader does."""
    name = reading.name(item.within("name", required=True).text("value"))
    subject = Mention(MentionKind.OFFER, f"{region}/{name}", "azure")
    counted = "vcpu" if name.lower().endswith(("family", "cores")) else "unit"
    return Quota(subject, amounts.count(item, "limit"), amounts.count(item, "currentValue"), counted, witness)
