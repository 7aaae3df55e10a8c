"""What parsers state of the world: subjects, metrics, facts and readings in columns. Data only; nobody is resolved here.

Every parser of `tools.payloads` produces these; intake and the inventory's sources read them. The mapping to things of
the estate is the inventory's: an alias here is a claim of a sender.
"""
