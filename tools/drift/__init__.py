"""Drift: how things should be against how they are, field by field. Pure, but for nothing: no I/O, no clock.

`objects` compares a Kubernetes object with what was applied or declared, `estates` an estate with its files and facts.
Both go through `comparing`, ask `holders` who wrote, `owners` whether they may, `matters` whether it matters and
`restoring` what would put it right. Inventory, catalogue and console call them.
"""
