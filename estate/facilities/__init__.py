"""What the estate stands in: regions, sites, rows, racks, power, cooling, and machines in service or not."""
