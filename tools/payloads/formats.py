"""Every payload format by its name in the intake subject. A new format is a module here and a row below."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tools.payloads import alertmanager, cloudevents, kernel, nvsentinel
from tools.payloads.parsed import Parser

FORMATS: Mapping[str, Parser] = MappingProxyType(
    {
        "alertmanager": alertmanager.parse,
        "cloudevents": cloudevents.parse,
        "kernel": kernel.parse,
        "nvsentinel": nvsentinel.parse,
    }
)
