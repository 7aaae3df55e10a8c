"""Minds: what plans inside a case. The runbook is deterministic and the default; a model is any chat model."""
