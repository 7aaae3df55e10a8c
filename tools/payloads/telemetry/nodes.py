"""Series of machines and storage: node_exporter's disks, kubelet's volumes, Ceph and Lustre, node-problem-detector."""

from __future__ import annotations

from tools.payloads.facts.metrics import Metric
from tools.payloads.telemetry.series import Series
from tools.payloads.telemetry.subjects import disk, node, problem, storage, target_of

ROWS: tuple[Series, ...] = (
    Series("node_disk_read_bytes_total", Metric.STORAGE_READ, disk),
    Series("node_disk_written_bytes_total", Metric.STORAGE_WRITTEN, disk),
    Series("node_disk_io_time_seconds_total", Metric.STORAGE_BUSY, disk),
    Series("node_memory_MemTotal_bytes", Metric.MEMORY_TOTAL, node),
    Series("kubelet_volume_stats_used_bytes", Metric.STORAGE_USED, storage),
    Series("kubelet_volume_stats_capacity_bytes", Metric.STORAGE_CAPACITY, storage),
    Series("ceph_pool_rd_bytes", Metric.STORAGE_READ, storage),
    Series("ceph_pool_wr_bytes", Metric.STORAGE_WRITTEN, storage),
    Series("ceph_pool_bytes_used", Metric.STORAGE_USED, storage),
    Series("lustre_read_bytes_total", Metric.STORAGE_READ, storage),
    Series("lustre_write_bytes_total", Metric.STORAGE_WRITTEN, storage),
    Series("lustre_capacity_kibibytes", Metric.STORAGE_CAPACITY, storage, 1024.0),
    Series("problem_gauge", Metric.NODE_PROBLEM, problem),
    Series("problem_counter", Metric.NODE_PROBLEMS_SEEN, problem),
    Series("problem_counter_total", Metric.NODE_PROBLEMS_SEEN, problem),
    Series("up", Metric.TARGET_UP, target_of),
)
