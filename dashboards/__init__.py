"""Grafana dashboards and Prometheus rules, generated from the metrics that the workers declare."""
