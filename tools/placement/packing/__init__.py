"""Packing: where one request goes among many nodes, decided in tens of microseconds and kept current for the next.

`pools` holds what is free, `demands` what is asked for, `weights` what is expected to be asked for; `deciding` chooses.
"""
