"""Readings on their way to every process: resolved by the writer, told in batches, held beside the estate.

They have a stream of their own that forgets, and never go before a delta: whoever loses a batch has the next one soon.
"""
