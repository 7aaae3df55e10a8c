"""A real Kubernetes control plane on loopback, without a container engine: for tests, demo, evals and benchmarks.

`async with launching.controlplane() as plane` starts etcd, kube-apiserver, kube-controller-manager, kube-scheduler and
kwok; `building` finds or builds their binaries; `populating` puts an estate into the cluster. Never for production: its
nodes are played by kwok, and etcd forgets to sync.
"""
