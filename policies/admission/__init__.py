"""What a cluster's own API server enforces for Placet: roles, the warrant rule, and the law at the door.

Pure functions from signed facts to Kubernetes objects as plain JSON. `placet policy export` writes them out, and a
person applies them: nothing here connects to a cluster, and no process of Placet may write what holds it.
"""
