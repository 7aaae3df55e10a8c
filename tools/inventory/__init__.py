"""What exists, as one numbered estate: files and sources in, deltas out, and every process's own copy."""
