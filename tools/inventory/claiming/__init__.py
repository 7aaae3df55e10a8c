"""What senders say in their own names becomes claims about things of the estate, or stays a claim that is counted.

Called by the inventory's writer for whatever a source has heard. Names are resolved by what an administrator wrote or
by a strong alias; a weak one never merges two things.
"""
