"""The text that an exporter serves at `/metrics` (Prometheus' format, version 0.0.4): one body on its own.

Who reads a target again and again keeps its `layouts.Layout` instead.
"""

from __future__ import annotations

from tools.payloads import contexts
from tools.payloads.parsed import Headers, Parsed
from tools.payloads.telemetry.layouts import Layout


def parse(body: bytes, headers: Headers) -> Parsed:
    """The readings of one scrape.

    Raises:
        BadInput: it is not the text format.
    """
    context = contexts.of(headers, "exporter")
    scrape = Layout(context.source, context.target).read(body, context.at)
    return Parsed(faults=scrape.faults, ignored=scrape.ignored, readings=scrape.readings)
