"""Answers for people: why something waits, what would let it in, and what can be promised to whoever asks."""
