"""What parsers state of the world: mentions of things, facts, and readings in columns. Data only.

Every parser of `tools.payloads` produces these; intake and the inventory's sources read them. The mapping to things of
the estate is the inventory's: a mention here is a claim of a sender.
"""
