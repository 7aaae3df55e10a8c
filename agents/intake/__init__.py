"""Intake: raw bodies of authenticated channels become events of things that facts place."""
