"""The hands on real Kubernetes clusters: the `Target` port by the official client. The executor's only.

`target` speaks the port, one module for each idea does the work: `keys` (once per step), `ownership` (what we hold of
an object), `writing` (compare-and-swap by server-side apply), `placing` and `owners` (pure), `cordoning`,
`moving`, `draining`, `rehearsing`. It never forces a conflict, never deletes what another manager made, and has no
opinion on the law.
"""
