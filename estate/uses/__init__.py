"""What the estate is used for: clusters, virtual machines, promises, what runs, templates, prices, cloud capacity."""
