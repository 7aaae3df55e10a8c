"""A real Prometheus for tests and benchmarks: built from Go modules like the control plane, run on loopback.

Placet itself runs none; it asks somebody's (`tools.inventory.telemetry.prometheus`).
"""
