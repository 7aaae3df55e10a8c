"""InfiniBand and RoCE adapters as `/sys/class/infiniband` shows them.

Two forms: a JSON object of paths and texts, and lines `path:text`, as `grep -r . /sys/class/infiniband/mlx5_0/` prints
them. Paths begin at the adapter, at `/sys/class/infiniband`, or at the root; where they name no adapter, the header
`placet-device` does. Data counters are words of four bytes (InfiniBand architecture, PortXmitData); a counter that
reads `N/A` is absent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from estate.errors import BadInput
from tools.payloads import contexts, reading
from tools.payloads.contexts import Context
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.metrics import Metric
from tools.payloads.facts.readings import Presence, Writing
from tools.payloads.facts.statements import Attribute, Fact, Statement
from tools.payloads.parsed import Fault, Headers, Parsed

DEVICE = "placet-device"
MOST_FILES = 50_000

_PATH = re.compile(
    r"(?:/?sys/class/infiniband/|\./)?(?:(?P<device>[A-Za-z][\w\-]{0,62})/)??"
    r"(?:ports/(?P<port>\d{1,3})/(?:(?:hw_)?counters/)?)?(?P<file>\w{1,64})",
    re.ASCII,
)
_COUNT = re.compile(r"\d{1,20}", re.ASCII)
_RATE = re.compile(r"(\d{1,6}(?:\.\d)?) Gb/sec(?: \(.*\))?", re.ASCII)
_STATE = re.compile(r"\d{1,2}: (\w[\w ]{0,30})", re.ASCII)
_NOT_THERE = re.compile(r"N/A\b.*")
_GIGABIT = 1e9 / 8

_COUNTERS: dict[str, tuple[Metric, int]] = {
    "port_rcv_data": (Metric.PORT_RECEIVED, 4),
    "port_xmit_data": (Metric.PORT_SENT, 4),
    "port_rcv_packets": (Metric.PORT_PACKETS_RECEIVED, 1),
    "port_xmit_packets": (Metric.PORT_PACKETS_SENT, 1),
    "port_rcv_errors": (Metric.PORT_RECEIVE_ERRORS, 1),
    "port_xmit_discards": (Metric.PORT_SEND_DISCARDS, 1),
    "port_xmit_wait": (Metric.PORT_SEND_WAIT, 1),
    "symbol_error": (Metric.PORT_SYMBOL_ERRORS, 1),
    "local_link_integrity_errors": (Metric.PORT_INTEGRITY_ERRORS, 1),
    "excessive_buffer_overrun_errors": (Metric.PORT_BUFFER_OVERRUNS, 1),
    "link_downed": (Metric.PORT_LINK_DOWNED, 1),
    "link_error_recovery": (Metric.PORT_LINK_RECOVERED, 1),
    "np_ecn_marked_roce_packets": (Metric.PORT_ECN_MARKED, 1),
    "np_cnp_sent": (Metric.PORT_CNP_SENT, 1),
    "rp_cnp_handled": (Metric.PORT_CNP_HANDLED, 1),
    "out_of_sequence": (Metric.PORT_OUT_OF_SEQUENCE, 1),
    "local_ack_timeout_err": (Metric.PORT_ACK_TIMEOUTS, 1),
    "out_of_buffer": (Metric.PORT_OUT_OF_BUFFER, 1),
    "roce_adp_retrans": (Metric.PORT_RETRANSMITS, 1),
}
_ATTRIBUTES = {
    "board_id": Attribute.PART_NUMBER,
    "fw_ver": Attribute.FIRMWARE,
    "hca_type": Attribute.MODEL,
    "link_layer": Attribute.LINK_LAYER,
}
_STATES = {"state": Attribute.LINK_STATE, "phys_state": Attribute.PHYSICAL_STATE}


def parse(body: bytes, headers: Headers) -> Parsed:
    """Attributes, state and counters of the adapters and ports.

    Raises:
        BadInput: it is neither form, names no host, or nothing of it can be read.
    """
    context = contexts.of(headers, "sysfs")
    device = reading.name({k.lower(): v for k, v in headers.items()}.get(DEVICE, ""))
    if not context.host:
        raise BadInput(f"no host; send the header `{contexts.HOST}`")
    page = _Page(context, device)
    for place, (path, text) in enumerate(_files(reading.decoded(body)), start=1):
        page.take(place, path, text)
    found = page.readings.done()
    if not page.facts and not len(found):
        raise BadInput("; ".join(str(f) for f in page.faults[:3]) or "no file of an InfiniBand adapter is in it")
    return Parsed(faults=tuple(page.faults[:100]), ignored=page.ignored, facts=tuple(page.facts), readings=found)


class _Page:
    """What is gathered, file by file."""

    def __init__(self, context: Context, device: str) -> None:
        self._context = context
        self._device = device
        self.facts: list[Fact] = []
        self.faults: list[Fault] = []
        self.ignored = 0
        self.readings = Writing(context.source, context.at)

    def take(self, place: int, path: str, text: str) -> None:
        """One file."""
        try:
            known = self._file(path, text.strip())
        except BadInput as error:
            self.faults.append(Fault(f"file {place}", str(error)))
        else:
            self.ignored += not known

    def _file(self, path: str, text: str) -> bool:
        parts = _PATH.fullmatch(path.strip())
        if parts is None:
            raise BadInput(f"`{reading.shown(path)}` is not a path below /sys/class/infiniband")
        device = parts["device"] or self._device
        if not device:
            raise BadInput(f"`{reading.shown(path)}` names no adapter; send the header `{DEVICE}`")
        subject = Mention(
            MentionKind.PORT, f"{device}/{parts['port']}" if parts["port"] else device, self._context.host
        )
        return self._counted(subject, parts["file"], text) or self._said(subject, parts["file"], text)

    def _counted(self, subject: Mention, file: str, text: str) -> bool:
        if file == "rate" and (rate := _RATE.fullmatch(text)):
            self.readings.add(subject, Metric.PORT_CAPACITY, float(rate[1]) * _GIGABIT)
            return True
        if file not in _COUNTERS:
            return False
        metric, scale = _COUNTERS[file]
        if _NOT_THERE.fullmatch(text):
            self.readings.add(subject, metric, None, Presence.ABSENT)
        elif _COUNT.fullmatch(text):
            self.readings.add(subject, metric, float(int(text) * scale))
        else:
            raise BadInput(f"{file}: `{reading.shown(text)}` is not a count")
        return True

    def _said(self, subject: Mention, file: str, text: str) -> bool:
        if file in _ATTRIBUTES:
            self.facts.append(Statement(subject, _ATTRIBUTES[file], reading.name(text), self._context.witness))
            return True
        if file in _STATES:
            state = _STATE.fullmatch(text)
            if state is None:
                raise BadInput(f"{file}: `{reading.shown(text)}` is not a state such as `4: ACTIVE`")
            self.facts.append(Statement(subject, _STATES[file], state[1], self._context.witness))
            if file == "state":
                self.readings.add(subject, Metric.PORT_UP, float(state[1] == "ACTIVE"))
            return True
        return False


def _files(text: str) -> Iterator[tuple[str, str]]:
    if text.lstrip().startswith("{"):
        files = reading.Fields(reading.load(text), "").texts()
        found = list(files.items())
    else:
        rows = [r.partition(":") for r in text.splitlines() if r.strip()]
        found = [(path, value) for path, _, value in rows]
    if len(found) > MOST_FILES:
        raise BadInput(f"{len(found)} files in one body; send at most {MOST_FILES}")
    yield from found
