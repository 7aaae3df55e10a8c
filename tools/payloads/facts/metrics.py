"""Every metric that Placet reads, each with one unit: senders' own units end in the parsers.

A new metric is a row here. The order of the rows is the code in columns, which live in memory only: what is persisted
says the name.
"""

from __future__ import annotations

from enum import Enum, StrEnum


class Unit(StrEnum):
    """What a value counts. SI without prefixes, ratios from 0 to 1, temperatures in degrees Celsius."""

    AMPERES = "A"
    BYTES = "B"
    BYTES_PER_SECOND = "B/s"
    CELSIUS = "°C"
    CODE = "code"
    COUNT = "1"
    HERTZ = "Hz"
    JOULES = "J"
    LITRES_PER_MINUTE = "L/min"
    PASCALS = "Pa"
    RATIO = "ratio"
    RPM = "rpm"
    SECONDS = "s"
    TICKS = "ticks"
    """Time whose unit differs between the sender's versions: that it grows says something, by how much does not."""
    TOKENS = "tokens"
    VOLTS = "V"
    WATTS = "W"


class Form(StrEnum):
    """How a value changes: a gauge says what is, a counter only ever grows until its sender restarts."""

    GAUGE = "gauge"
    COUNTER = "counter"


_G, _C = Form.GAUGE, Form.COUNTER


class Metric(Enum):
    """`name, unit, form`."""

    # accelerators
    GPU_TEMPERATURE = ("gpu.temperature", Unit.CELSIUS, _G)
    GPU_MEMORY_TEMPERATURE = ("gpu.memory.temperature", Unit.CELSIUS, _G)
    GPU_POWER = ("gpu.power", Unit.WATTS, _G)
    GPU_POWER_LIMIT = ("gpu.power.limit", Unit.WATTS, _G)
    GPU_ENERGY = ("gpu.energy", Unit.JOULES, _C)
    GPU_USE = ("gpu.use", Unit.RATIO, _G)
    GPU_COMPUTE_ACTIVE = ("gpu.compute.active", Unit.RATIO, _G)
    GPU_TENSOR_ACTIVE = ("gpu.tensor.active", Unit.RATIO, _G)
    GPU_MEMORY_ACTIVE = ("gpu.memory.active", Unit.RATIO, _G)
    GPU_MEMORY_USED = ("gpu.memory.used", Unit.BYTES, _G)
    GPU_MEMORY_FREE = ("gpu.memory.free", Unit.BYTES, _G)
    GPU_MEMORY_TOTAL = ("gpu.memory.total", Unit.BYTES, _G)
    GPU_MEMORY_RESERVED = ("gpu.memory.reserved", Unit.BYTES, _G)
    GPU_CLOCK = ("gpu.clock", Unit.HERTZ, _G)
    GPU_MEMORY_CLOCK = ("gpu.memory.clock", Unit.HERTZ, _G)
    GPU_LAST_XID = ("gpu.xid.last", Unit.CODE, _G)
    GPU_THROTTLE_REASONS = ("gpu.throttle.reasons", Unit.CODE, _G)
    GPU_POWER_THROTTLED = ("gpu.throttled.power", Unit.TICKS, _C)
    GPU_THERMAL_THROTTLED = ("gpu.throttled.thermal", Unit.TICKS, _C)
    GPU_HEALTHY = ("gpu.healthy", Unit.CODE, _G)
    """1 says healthy."""
    GPU_ECC_CORRECTED = ("gpu.ecc.corrected", Unit.COUNT, _C)
    GPU_ECC_UNCORRECTED = ("gpu.ecc.uncorrected", Unit.COUNT, _C)
    GPU_PAGES_RETIRED = ("gpu.pages.retired", Unit.COUNT, _C)
    GPU_PAGES_PENDING = ("gpu.pages.pending", Unit.COUNT, _G)
    GPU_ROWS_REMAPPED_CORRECTABLE = ("gpu.rows.remapped.correctable", Unit.COUNT, _C)
    GPU_ROWS_REMAPPED_UNCORRECTABLE = ("gpu.rows.remapped.uncorrectable", Unit.COUNT, _C)
    GPU_ROW_REMAP_FAILED = ("gpu.rows.remap.failed", Unit.CODE, _G)
    GPU_PCIE_REPLAYS = ("gpu.pcie.replays", Unit.COUNT, _C)
    GPU_PCIE_SENT = ("gpu.pcie.sent", Unit.BYTES_PER_SECOND, _G)
    GPU_PCIE_RECEIVED = ("gpu.pcie.received", Unit.BYTES_PER_SECOND, _G)
    GPU_PCIE_WIDTH = ("gpu.pcie.width", Unit.COUNT, _G)
    NVLINK_SENT = ("nvlink.sent", Unit.BYTES_PER_SECOND, _G)
    NVLINK_RECEIVED = ("nvlink.received", Unit.BYTES_PER_SECOND, _G)
    NVLINK_CRC_ERRORS = ("nvlink.errors.crc", Unit.COUNT, _C)
    NVLINK_REPLAYS = ("nvlink.replays", Unit.COUNT, _C)
    NVLINK_RECOVERIES = ("nvlink.recoveries", Unit.COUNT, _C)
    NVLINK_CAPACITY = ("nvlink.capacity", Unit.BYTES_PER_SECOND, _G)

    # fabrics: a port of an adapter or of a switch
    PORT_RECEIVED = ("port.received", Unit.BYTES, _C)
    PORT_SENT = ("port.sent", Unit.BYTES, _C)
    PORT_PACKETS_RECEIVED = ("port.received.packets", Unit.COUNT, _C)
    PORT_PACKETS_SENT = ("port.sent.packets", Unit.COUNT, _C)
    PORT_RECEIVE_ERRORS = ("port.errors.received", Unit.COUNT, _C)
    PORT_SEND_ERRORS = ("port.errors.sent", Unit.COUNT, _C)
    PORT_RECEIVE_DISCARDS = ("port.discards.received", Unit.COUNT, _C)
    PORT_SEND_DISCARDS = ("port.discards.sent", Unit.COUNT, _C)
    PORT_SYMBOL_ERRORS = ("port.errors.symbol", Unit.COUNT, _C)
    PORT_INTEGRITY_ERRORS = ("port.errors.integrity", Unit.COUNT, _C)
    PORT_BUFFER_OVERRUNS = ("port.errors.overrun", Unit.COUNT, _C)
    PORT_LINK_DOWNED = ("port.link.downed", Unit.COUNT, _C)
    PORT_LINK_RECOVERED = ("port.link.recovered", Unit.COUNT, _C)
    PORT_SEND_WAIT = ("port.wait", Unit.TICKS, _C)
    PORT_ECN_MARKED = ("port.ecn.marked", Unit.COUNT, _C)
    PORT_CNP_SENT = ("port.cnp.sent", Unit.COUNT, _C)
    PORT_CNP_HANDLED = ("port.cnp.handled", Unit.COUNT, _C)
    PORT_PFC_RECEIVED = ("port.pfc.received", Unit.COUNT, _C)
    PORT_PFC_SENT = ("port.pfc.sent", Unit.COUNT, _C)
    PORT_OUT_OF_SEQUENCE = ("port.rdma.out_of_sequence", Unit.COUNT, _C)
    PORT_ACK_TIMEOUTS = ("port.rdma.ack_timeouts", Unit.COUNT, _C)
    PORT_OUT_OF_BUFFER = ("port.rdma.out_of_buffer", Unit.COUNT, _C)
    PORT_RETRANSMITS = ("port.rdma.retransmits", Unit.COUNT, _C)
    PORT_CAPACITY = ("port.capacity", Unit.BYTES_PER_SECOND, _G)
    PORT_UP = ("port.up", Unit.CODE, _G)
    """1 says up."""

    # machines and facilities
    POWER_DRAWN = ("power.drawn", Unit.WATTS, _G)
    POWER_SUPPLIED = ("power.supplied", Unit.WATTS, _G)
    POWER_CAPACITY = ("power.capacity", Unit.WATTS, _G)
    POWER_LIMIT = ("power.limit", Unit.WATTS, _G)
    POWER_ALLOCATED = ("power.allocated", Unit.WATTS, _G)
    ENERGY_USED = ("energy.used", Unit.JOULES, _C)
    INPUT_VOLTAGE = ("voltage.input", Unit.VOLTS, _G)
    VOLTAGE = ("voltage", Unit.VOLTS, _G)
    CURRENT = ("current", Unit.AMPERES, _G)
    TEMPERATURE = ("temperature", Unit.CELSIUS, _G)
    TEMPERATURE_CAUTION = ("temperature.caution", Unit.CELSIUS, _G)
    TEMPERATURE_CRITICAL = ("temperature.critical", Unit.CELSIUS, _G)
    TEMPERATURE_FATAL = ("temperature.fatal", Unit.CELSIUS, _G)
    FAN_SPEED = ("fan.speed", Unit.RPM, _G)
    FAN_DUTY = ("fan.duty", Unit.RATIO, _G)
    FAN_LEAST = ("fan.least", Unit.RPM, _G)
    HUMIDITY = ("humidity", Unit.RATIO, _G)
    COOLANT_FLOW = ("coolant.flow", Unit.LITRES_PER_MINUTE, _G)
    PRESSURE = ("pressure", Unit.PASCALS, _G)
    REDUNDANCY_NEEDED = ("redundancy.needed", Unit.COUNT, _G)
    MEMORY_TOTAL = ("memory.total", Unit.BYTES, _G)

    # storage
    STORAGE_READ = ("storage.read", Unit.BYTES, _C)
    STORAGE_WRITTEN = ("storage.written", Unit.BYTES, _C)
    STORAGE_BUSY = ("storage.busy", Unit.SECONDS, _C)
    STORAGE_USED = ("storage.used", Unit.BYTES, _G)
    STORAGE_CAPACITY = ("storage.capacity", Unit.BYTES, _G)

    # model servers; a histogram is its sum and its count
    REQUESTS_RUNNING = ("serving.requests.running", Unit.COUNT, _G)
    REQUESTS_WAITING = ("serving.requests.waiting", Unit.COUNT, _G)
    REQUESTS_DONE = ("serving.requests.done", Unit.COUNT, _C)
    REQUESTS_FAILED = ("serving.requests.failed", Unit.COUNT, _C)
    REQUESTS_PREEMPTED = ("serving.requests.preempted", Unit.COUNT, _C)
    CACHE_USED = ("serving.cache.used", Unit.RATIO, _G)
    PROMPT_TOKENS = ("serving.tokens.prompt", Unit.TOKENS, _C)
    GENERATED_TOKENS = ("serving.tokens.generated", Unit.TOKENS, _C)
    FIRST_TOKEN_SUM = ("serving.first_token.sum", Unit.SECONDS, _C)
    FIRST_TOKEN_COUNT = ("serving.first_token.count", Unit.COUNT, _C)
    FIRST_TOKEN_P95 = ("serving.first_token.p95", Unit.SECONDS, _G)
    FIRST_RESPONSE_SUM = ("serving.first_response.sum", Unit.SECONDS, _C)
    """Triton's: the first chunk that was delivered, or the whole answer where the model does not stream."""
    FIRST_RESPONSE_COUNT = ("serving.first_response.count", Unit.COUNT, _C)
    PER_TOKEN_SUM = ("serving.per_token.sum", Unit.SECONDS, _C)
    PER_TOKEN_COUNT = ("serving.per_token.count", Unit.COUNT, _C)
    PER_TOKEN_P95 = ("serving.per_token.p95", Unit.SECONDS, _G)
    PER_TOKEN_WITH_PREFILL_SUM = ("serving.per_token_with_prefill.sum", Unit.SECONDS, _C)
    """TGI's: its mean divides the whole inference, the prefill too, by the tokens."""
    PER_TOKEN_WITH_PREFILL_COUNT = ("serving.per_token_with_prefill.count", Unit.COUNT, _C)
    QUEUE_TIME_SUM = ("serving.queue_time.sum", Unit.SECONDS, _C)
    QUEUE_TIME_COUNT = ("serving.queue_time.count", Unit.COUNT, _C)
    REQUEST_TIME_SUM = ("serving.request_time.sum", Unit.SECONDS, _C)
    REQUEST_TIME_COUNT = ("serving.request_time.count", Unit.COUNT, _C)

    # what a node's own watchers and a scrape say
    NODE_PROBLEM = ("node.problem", Unit.CODE, _G)
    """1 says that the problem named by the subject's part is there."""
    NODE_PROBLEMS_SEEN = ("node.problems.seen", Unit.COUNT, _C)
    TARGET_UP = ("target.up", Unit.CODE, _G)
    """1 says that the last scrape of the target succeeded."""

    def __init__(self, label: str, unit: Unit, form: Form) -> None:
        self.label = label
        self.unit = unit
        self.form = form

    def __str__(self) -> str:
        return self.label

    @property
    def code(self) -> int:
        """Its place in the columns of this process."""
        return _CODES[self]


ORDER: tuple[Metric, ...] = tuple(Metric)
"""Codes to metrics."""
_CODES = {metric: code for code, metric in enumerate(ORDER)}
