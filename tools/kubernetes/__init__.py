"""Kubernetes as Placet sees it: connections, faults told apart, raw objects turned into the estate's things.

All but `connecting` is pure. The source and the executor both read through here, so that they never disagree on what an
object means.
"""
