"""`nvidia-smi nvlink --status`: the links of each GPU and what each can carry; `<inactive>` links carry nothing."""

from __future__ import annotations

import re

from estate.errors import BadInput
from tools.payloads import contexts, reading
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.metrics import Metric
from tools.payloads.facts.readings import Writing
from tools.payloads.facts.statements import Attribute, Fact, Relation, Statement, Tie
from tools.payloads.parsed import Fault, Headers, Parsed

MOST_LINES = 20_000
_GPU = re.compile(r"GPU (?P<index>\d{1,4}): (?P<model>.{1,200}?) \(UUID: (?P<uuid>GPU-[0-9a-f\-]{36})\)", re.ASCII)
_LINK = re.compile(r"Link (?P<link>\d{1,3}): (?:(?P<rate>\d{1,5}(?:\.\d{1,3})?) GB/s|<inactive>)", re.ASCII)
_GIGABYTE = 1e9


def parse(body: bytes, headers: Headers) -> Parsed:
    """GPUs and the state of their links.

    Raises:
        BadInput: it names not one GPU.
    """
    context = contexts.of(headers, "nvidia-smi")
    facts: list[Fact] = []
    faults: list[Fault] = []
    readings = Writing(context.source, context.at)
    gpu: Mention | None = None
    rows = reading.decoded(body).splitlines()
    if len(rows) > MOST_LINES:
        raise BadInput(f"{len(rows)} lines in one body; send at most {MOST_LINES}")
    for number, row in enumerate(rows, start=1):
        line = row.strip()
        if found := _GPU.fullmatch(line):
            gpu = Mention(MentionKind.GPU_UUID, found["uuid"])
            facts.append(Statement(gpu, Attribute.MODEL, reading.name(found["model"]), context.witness))
            if context.host:
                place = Mention(MentionKind.GPU_INDEX, str(int(found["index"])), context.host)
                facts.append(Relation(gpu, Tie.SAME_AS, place, context.witness))
        elif (link := _LINK.fullmatch(line)) and gpu:
            part = gpu.of(f"link/{int(link['link'])}")
            readings.add(part, Metric.PORT_UP, float(link["rate"] is not None))
            readings.add(part, Metric.NVLINK_CAPACITY, float(link["rate"] or 0) * _GIGABYTE)
        elif line:
            faults.append(Fault(f"line {number}", f"`{reading.shown(line)}` is neither a GPU nor a link of one"))
    if gpu is None:
        raise BadInput("no line names a GPU by its UUID; send the output of `nvidia-smi nvlink --status`")
    return Parsed(faults=tuple(faults[:100]), facts=tuple(facts), readings=readings.done())
