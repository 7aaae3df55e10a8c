"""What one more unit of each scarce thing is worth to a fleet, and how far it is from the most that it could do."""
