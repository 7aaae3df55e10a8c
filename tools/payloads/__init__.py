"""What senders write, read leniently into `estate.observations.Observation`: pure functions, one module a format.

`formats.FORMATS` names them all. Nothing here resolves a name, asks a clock or trusts a payload's word for a tenant.
"""
