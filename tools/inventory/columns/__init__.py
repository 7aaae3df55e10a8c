"""The inventory engine: an estate of 100 000 nodes in columns, with snapshots that share what did not change."""
