"""Series of accelerators: NVIDIA's DCGM exporter, AMD's device metrics exporter, Gaudi's exporter, Triton's own.

DCGM writes numbers of its own where it has no value; `readings` tells them from values. How long a clock was throttled
is nanoseconds in newer DCGM and microseconds in older ones, with the same name: it is read as ticks.
"""

from __future__ import annotations

from tools.payloads.facts.metrics import Metric
from tools.payloads.telemetry.series import Series
from tools.payloads.telemetry.subjects import gpu

_MEBI = 1024.0 * 1024.0
_MEGA, _MILLI, _PERCENT = 1e6, 1e-3, 1e-2

_DCGM: tuple[tuple[str, Metric, float], ...] = (
    ("DEV_SM_CLOCK", Metric.GPU_CLOCK, _MEGA),
    ("DEV_MEM_CLOCK", Metric.GPU_MEMORY_CLOCK, _MEGA),
    ("DEV_GPU_TEMP", Metric.GPU_TEMPERATURE, 1),
    ("DEV_MEMORY_TEMP", Metric.GPU_MEMORY_TEMPERATURE, 1),
    ("DEV_POWER_USAGE", Metric.GPU_POWER, 1),
    ("DEV_POWER_MGMT_LIMIT", Metric.GPU_POWER_LIMIT, 1),
    ("DEV_ENFORCED_POWER_LIMIT", Metric.GPU_POWER_LIMIT, 1),
    ("DEV_TOTAL_ENERGY_CONSUMPTION", Metric.GPU_ENERGY, _MILLI),
    ("DEV_GPU_UTIL", Metric.GPU_USE, _PERCENT),
    ("PROF_GR_ENGINE_ACTIVE", Metric.GPU_USE, 1),
    ("PROF_SM_ACTIVE", Metric.GPU_COMPUTE_ACTIVE, 1),
    ("PROF_PIPE_TENSOR_ACTIVE", Metric.GPU_TENSOR_ACTIVE, 1),
    ("PROF_DRAM_ACTIVE", Metric.GPU_MEMORY_ACTIVE, 1),
    ("DEV_FB_USED", Metric.GPU_MEMORY_USED, _MEBI),
    ("DEV_FB_FREE", Metric.GPU_MEMORY_FREE, _MEBI),
    ("DEV_FB_TOTAL", Metric.GPU_MEMORY_TOTAL, _MEBI),
    ("DEV_FB_RESERVED", Metric.GPU_MEMORY_RESERVED, _MEBI),
    ("DEV_XID_ERRORS", Metric.GPU_LAST_XID, 1),
    ("DEV_CLOCK_THROTTLE_REASONS", Metric.GPU_THROTTLE_REASONS, 1),
    ("DEV_CLOCKS_EVENT_REASONS", Metric.GPU_THROTTLE_REASONS, 1),
    ("DEV_POWER_VIOLATION", Metric.GPU_POWER_THROTTLED, 1),
    ("DEV_THERMAL_VIOLATION", Metric.GPU_THERMAL_THROTTLED, 1),
    ("DEV_ECC_SBE_VOL_TOTAL", Metric.GPU_ECC_CORRECTED, 1),
    ("DEV_ECC_DBE_VOL_TOTAL", Metric.GPU_ECC_UNCORRECTED, 1),
    ("DEV_RETIRED_DBE", Metric.GPU_PAGES_RETIRED, 1),
    ("DEV_RETIRED_PENDING", Metric.GPU_PAGES_PENDING, 1),
    ("DEV_CORRECTABLE_REMAPPED_ROWS", Metric.GPU_ROWS_REMAPPED_CORRECTABLE, 1),
    ("DEV_UNCORRECTABLE_REMAPPED_ROWS", Metric.GPU_ROWS_REMAPPED_UNCORRECTABLE, 1),
    ("DEV_ROW_REMAP_FAILURE", Metric.GPU_ROW_REMAP_FAILED, 1),
    ("DEV_PCIE_REPLAY_COUNTER", Metric.GPU_PCIE_REPLAYS, 1),
    ("DEV_PCIE_LINK_WIDTH", Metric.GPU_PCIE_WIDTH, 1),
    ("PROF_PCIE_TX_BYTES", Metric.GPU_PCIE_SENT, 1),
    ("PROF_PCIE_RX_BYTES", Metric.GPU_PCIE_RECEIVED, 1),
    ("PROF_NVLINK_TX_BYTES", Metric.NVLINK_SENT, 1),
    ("PROF_NVLINK_RX_BYTES", Metric.NVLINK_RECEIVED, 1),
    ("DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL", Metric.NVLINK_CRC_ERRORS, 1),
    ("DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL", Metric.NVLINK_REPLAYS, 1),
    ("DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL", Metric.NVLINK_RECOVERIES, 1),
)

_AMD: tuple[tuple[str, Metric, float], ...] = (
    ("junction_temperature", Metric.GPU_TEMPERATURE, 1),
    ("memory_temperature", Metric.GPU_MEMORY_TEMPERATURE, 1),
    ("power_usage", Metric.GPU_POWER, 1),
    ("energy_consumed", Metric.GPU_ENERGY, 1e-6),
    ("gfx_activity", Metric.GPU_USE, _PERCENT),
    ("umc_activity", Metric.GPU_MEMORY_ACTIVE, _PERCENT),
    ("used_vram", Metric.GPU_MEMORY_USED, _MEBI),
    ("free_vram", Metric.GPU_MEMORY_FREE, _MEBI),
    ("total_vram", Metric.GPU_MEMORY_TOTAL, _MEBI),
    ("ecc_correct_total", Metric.GPU_ECC_CORRECTED, 1),
    ("ecc_uncorrect_total", Metric.GPU_ECC_UNCORRECTED, 1),
    ("health", Metric.GPU_HEALTHY, 1),
)

_GAUDI: tuple[tuple[str, Metric, float], ...] = (
    ("temperature_onchip", Metric.GPU_TEMPERATURE, 1),
    ("power_mW", Metric.GPU_POWER, _MILLI),
    ("power_default_limit_mW", Metric.GPU_POWER_LIMIT, _MILLI),
    ("utilization", Metric.GPU_USE, _PERCENT),
    ("memory_used_bytes", Metric.GPU_MEMORY_USED, 1),
    ("memory_free_bytes", Metric.GPU_MEMORY_FREE, 1),
    ("memory_total_bytes", Metric.GPU_MEMORY_TOTAL, 1),
    ("clock_soc_mhz", Metric.GPU_CLOCK, _MEGA),
    ("pcie_replay_count", Metric.GPU_PCIE_REPLAYS, 1),
)

_TRITON: tuple[tuple[str, Metric, float], ...] = (
    ("power_usage", Metric.GPU_POWER, 1),
    ("power_limit", Metric.GPU_POWER_LIMIT, 1),
    ("energy_consumption", Metric.GPU_ENERGY, 1),
    ("utilization", Metric.GPU_USE, 1),
    ("memory_total_bytes", Metric.GPU_MEMORY_TOTAL, 1),
    ("memory_used_bytes", Metric.GPU_MEMORY_USED, 1),
)

ROWS: tuple[Series, ...] = (
    *(Series(f"DCGM_FI_{name}", metric, gpu, scale, blanks=True) for name, metric, scale in _DCGM),
    *(Series(f"{own}gpu_{name}", metric, gpu, scale) for own in ("", "amd_") for name, metric, scale in _AMD),
    *(Series(f"habanalabs_{name}", metric, gpu, scale) for name, metric, scale in _GAUDI),
    *(Series(f"nv_gpu_{name}", metric, gpu, scale) for name, metric, scale in _TRITON),
)
