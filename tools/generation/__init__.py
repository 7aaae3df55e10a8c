"""Plausible estates out of nothing but a size and a seed: law, machines, work, facilities and fabrics that agree.

For demos, benchmarks, evals, and people who want to try Placet on something larger than they have. Pure; the same
arguments give the same estate on every machine. Figures of products are their makers' public ones.
"""
