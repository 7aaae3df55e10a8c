"""Series of ports: node_exporter's InfiniBand and ethtool collectors, SNMP's IF-MIB, OpenConfig, InfiniBand fabrics.

PFC pause frames come per priority: each priority is a part of its port. `port_xmit_wait` counts ticks of the adapter.
"""

from __future__ import annotations

import re

from tools.payloads.facts.mentions import Mention
from tools.payloads.facts.metrics import Metric
from tools.payloads.telemetry.series import Labels, Series, Subject, Target
from tools.payloads.telemetry.subjects import adapter_port, node, switch_port

_MEGABIT = 1e6 / 8


def _interface(labels: Labels, target: Target) -> Mention | None:
    """A network interface of a machine."""
    found, device = node(labels, target), labels.get("device", "")
    return found.of(f"interface/{device}") if found and re.fullmatch(r"[\w.\-@:]{1,64}", device) else None


def _priority(number: int, of: Subject) -> Subject:
    def subject(labels: Labels, target: Target) -> Mention | None:
        found = of(labels, target)
        return found.of("/".join(filter(None, (found.part, f"priority/{number}")))) if found else None

    return subject


_INFINIBAND: tuple[tuple[str, Metric], ...] = (
    ("port_data_received_bytes_total", Metric.PORT_RECEIVED),
    ("port_data_transmitted_bytes_total", Metric.PORT_SENT),
    ("port_packets_received_total", Metric.PORT_PACKETS_RECEIVED),
    ("port_packets_transmitted_total", Metric.PORT_PACKETS_SENT),
    ("port_errors_received_total", Metric.PORT_RECEIVE_ERRORS),
    ("port_discards_transmitted_total", Metric.PORT_SEND_DISCARDS),
    ("port_discards_received_total", Metric.PORT_RECEIVE_DISCARDS),
    ("port_transmit_wait_total", Metric.PORT_SEND_WAIT),
    ("symbol_error_total", Metric.PORT_SYMBOL_ERRORS),
    ("local_link_integrity_errors_total", Metric.PORT_INTEGRITY_ERRORS),
    ("excessive_buffer_overrun_errors_total", Metric.PORT_BUFFER_OVERRUNS),
    ("link_downed_total", Metric.PORT_LINK_DOWNED),
    ("link_error_recovery_total", Metric.PORT_LINK_RECOVERED),
    ("rate_bytes_per_second", Metric.PORT_CAPACITY),
    ("np_ecn_marked_roce_packets_total", Metric.PORT_ECN_MARKED),
    ("np_cnp_sent_total", Metric.PORT_CNP_SENT),
    ("rp_cnp_handled_total", Metric.PORT_CNP_HANDLED),
    ("out_of_sequence_total", Metric.PORT_OUT_OF_SEQUENCE),
    ("local_ack_timeout_err_total", Metric.PORT_ACK_TIMEOUTS),
    ("out_of_buffer_total", Metric.PORT_OUT_OF_BUFFER),
    ("roce_adp_retrans_total", Metric.PORT_RETRANSMITS),
)
_SNMP: tuple[tuple[str, Metric, float], ...] = (
    ("ifHCInOctets", Metric.PORT_RECEIVED, 1),
    ("ifHCOutOctets", Metric.PORT_SENT, 1),
    ("ifInErrors", Metric.PORT_RECEIVE_ERRORS, 1),
    ("ifOutErrors", Metric.PORT_SEND_ERRORS, 1),
    ("ifInDiscards", Metric.PORT_RECEIVE_DISCARDS, 1),
    ("ifOutDiscards", Metric.PORT_SEND_DISCARDS, 1),
    ("ifHighSpeed", Metric.PORT_CAPACITY, _MEGABIT),
)
_OPENCONFIG: tuple[tuple[str, Metric], ...] = (
    ("in_octets", Metric.PORT_RECEIVED),
    ("out_octets", Metric.PORT_SENT),
    ("in_errors", Metric.PORT_RECEIVE_ERRORS),
    ("out_errors", Metric.PORT_SEND_ERRORS),
    ("in_discards", Metric.PORT_RECEIVE_DISCARDS),
    ("out_discards", Metric.PORT_SEND_DISCARDS),
)
_FABRIC: tuple[tuple[str, Metric, float], ...] = (
    ("portxmitdata", Metric.PORT_SENT, 4),
    ("portrcvdata", Metric.PORT_RECEIVED, 4),
    ("portxmitpkts", Metric.PORT_PACKETS_SENT, 1),
    ("portrcvpkts", Metric.PORT_PACKETS_RECEIVED, 1),
    ("portrcverrors", Metric.PORT_RECEIVE_ERRORS, 1),
    ("portxmitdiscards", Metric.PORT_SEND_DISCARDS, 1),
    ("portxmitwait", Metric.PORT_SEND_WAIT, 1),
    ("symbolerrorcounter", Metric.PORT_SYMBOL_ERRORS, 1),
    ("linkdownedcounter", Metric.PORT_LINK_DOWNED, 1),
    ("linkerrorrecoverycounter", Metric.PORT_LINK_RECOVERED, 1),
)
"""InfiniBand counts data in words of four bytes."""

_ACTIVE, _UP = 4.0, 1.0
"""As InfiniBand and IF-MIB number the states of ports."""

ROWS: tuple[Series, ...] = (
    Series("node_infiniband_state_id", Metric.PORT_UP, adapter_port, means=_ACTIVE),
    Series("ifOperStatus", Metric.PORT_UP, switch_port, means=_UP),
    *(Series(f"node_infiniband_{name}", metric, adapter_port) for name, metric in _INFINIBAND),
    *(Series(name, metric, switch_port, scale) for name, metric, scale in _SNMP),
    *(Series(f"interfaces_interface_state_counters_{name}", metric, switch_port) for name, metric in _OPENCONFIG),
    *(Series(f"infiniband_{name}_total", metric, switch_port, scale) for name, metric, scale in _FABRIC),
    *(
        Series(f"node_ethtool_{way}_prio{number}_pause", metric, _priority(number, _interface))
        for number in range(8)
        for way, metric in (("received", Metric.PORT_PFC_RECEIVED), ("transmitted", Metric.PORT_PFC_SENT))
    ),
)
