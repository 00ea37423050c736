"""What the alerts of rules/*.yaml look at now, decided without a Prometheus.

`rule` an alert and its decision, pure · `values` the families of /metrics, grouped · `cloud`, `ai`,
`trend` and `meta` the values of each alert · `catalogue` all alerts with their thresholds · `table`
what people and programs are shown.
"""
