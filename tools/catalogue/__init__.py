"""Read-only tools over a frozen snapshot, for minds and for people. `registry.Catalogue` is the door."""
