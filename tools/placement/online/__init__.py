"""Single decisions at once: where a replica stands best by what is to come, found among what differs, not node by node.

`kinds` says which nodes no workload can tell apart, `outlooks` what is expected, `valuing` and `scoring` what a place
is worth by that, for any number of nodes; `boards` follows the snapshots and finds the same place compiled.
"""
