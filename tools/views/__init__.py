"""What people and minds ask of an estate: any thing of any kind, sums, headroom, coverage, topology. Pure reads."""
