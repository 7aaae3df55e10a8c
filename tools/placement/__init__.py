"""Where replicas can run: masks with reasons over columns of a frozen estate."""
