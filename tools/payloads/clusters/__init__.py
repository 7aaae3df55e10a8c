"""Objects of Kubernetes and of what is built on it. `objects.parse` knows each by its group and kind."""
