"""Everything that can refuse a node: one family of constraints to a module, each with masks, words and remedies."""
