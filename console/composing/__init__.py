"""How each process is composed of ports and adapters: one module per role, loaded by `console.bootstrap` when it runs.

With `console.bootstrap` it is the composition root: nothing else pairs a port with an adapter. A role's module imports
what that role needs and no other does, so that a process apart loads no engine that it never calls.
"""
