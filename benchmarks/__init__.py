"""Benchmarks: `python -m benchmarks.NAME -o json`. Seeded, self-contained, under ten minutes on two cores.

Figures are ratios against a floor or a peer measured in the same run wherever they can be; absolute figures are one
machine's. Nothing here is a test: `tests/` asserts behaviour, this measures it.
"""
