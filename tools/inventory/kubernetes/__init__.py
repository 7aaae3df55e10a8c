"""A cluster as a source of observations: list and watch, a small model of what is there, batches of what changed."""
