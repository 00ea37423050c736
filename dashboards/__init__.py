"""The Grafana dashboards as Python that makes them; the files beside it are what Grafana reads."""
