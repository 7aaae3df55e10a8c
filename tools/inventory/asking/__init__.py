"""Sources that ask: of BMCs (Redfish), of Prometheus, of files. Each is an adapter of `tools.inventory.port.Source`.

They state facts and readings in their senders' names; what these mean for the estate is worked out by the inventory.
"""
