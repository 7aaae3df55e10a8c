"""Sensors: what the inventory sees becomes events, each raised once with its evidence and resolved when it clears."""
