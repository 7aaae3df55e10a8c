"""How a placement reaches the scheduler that is there: one port, and an adapter for each technology of Kubernetes."""
