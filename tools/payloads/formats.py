"""Every payload format by its name. A new format is a module and a row below.

`FORMATS` are those that tell events: the last token of an intake subject names one. `FACTS` are those that state what
is, for the inventory's sources; a format that does both stands in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tools.payloads import alertmanager, cloudevents, kernel, nvsentinel
from tools.payloads.clouds import offers
from tools.payloads.clusters import objects
from tools.payloads.hosts import boards, fabric_manager, infiniband, nvlinks, pci
from tools.payloads.parsed import Parser
from tools.payloads.redfish import resources
from tools.payloads.telemetry import answers, exposition

FORMATS: Mapping[str, Parser] = MappingProxyType(
    {
        "alertmanager": alertmanager.parse,
        "cloud": offers.parse,
        "cloudevents": cloudevents.parse,
        "fabric-manager": fabric_manager.parse,
        "kernel": kernel.parse,
        "kubernetes": objects.parse,
        "nvsentinel": nvsentinel.parse,
    }
)
FACTS: Mapping[str, Parser] = MappingProxyType(
    {
        "board": boards.parse,
        "cloud": offers.parse,
        "exposition": exposition.parse,
        "infiniband": infiniband.parse,
        "kubernetes": objects.parse,
        "nvlink": nvlinks.parse,
        "pci": pci.parse,
        "prometheus": answers.parse,
        "redfish": resources.parse,
    }
)
