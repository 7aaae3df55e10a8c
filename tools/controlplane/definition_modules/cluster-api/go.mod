module placet.local/controlplane/cluster-api

go 1.24.0

require sigs.k8s.io/cluster-api v1.11.2
