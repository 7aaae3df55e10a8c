"""Who decides what to propose: intake, correlation, containment, the case graph and its minds.

Agents can only propose: nothing here can import an executor, a signing key, the ledger or the console.
"""
