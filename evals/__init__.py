"""Evals: scenarios with an answer key, to measure whoever operates an estate (a runbook, a model, a person).

A scenario is a folder of files: `scenario.yaml` names the estate, the script of what happens, the gold and the wrong
changes, and the oracle, which reads only the final objects. A scenario is believed only when it proves itself: the gold
changes score 1, doing nothing scores 0, the wrong changes score 0 (`python -m evals prove`).
"""
