"""The book of reservations: what was reserved by which warrant, kept once for the installation."""
