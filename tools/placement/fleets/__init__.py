"""What a fleet is worth: every accelerator booked to one cause, and what binds where."""
