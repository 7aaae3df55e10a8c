"""The twin world: a durable, simulated estate that accepts changes and plays their effect.

`storage` holds the objects in SQLite, `world` is the asynchronous face that executors, inventory and demo use.
"""
