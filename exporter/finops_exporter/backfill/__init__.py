"""History for Prometheus: what `/metrics` would have shown, as OpenMetrics with times."""
