"""The case graph: three ways in, one way through, driven by the case worker and kept in checkpoints."""
