"""What exists: identifiers, the estate model, snapshots, events, changes and the records made of them.

The lowest floor. Everything here is pure: no I/O, no clock, no randomness; time and new identifiers are
arguments. Every other floor imports this one; it imports none of them.
"""
