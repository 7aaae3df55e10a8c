"""Metrics as exporters write them and as Prometheus answers them. `tables.SERIES` says what each series means."""
