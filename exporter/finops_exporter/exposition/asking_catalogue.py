"""What asking remote APIs costs, and may cost; a part of `catalogue`."""

from __future__ import annotations

from finops_exporter.exposition.metric import Metric

_API = ("provider", "api")
_SOURCE = ("provider", "collector")

ASKING_METRICS = (
    Metric(
        "finops_cloud_api_requests_total",
        "counter",
        "Requests that were made to a remote API, retries included.",
        _API,
    ),
    Metric(
        "finops_cloud_api_retries_total",
        "counter",
        "Requests that were made again because the one before failed.",
        _API,
    ),
    Metric(
        "finops_cloud_api_estimated_cost_usd_total",
        "counter",
        "What the requests have cost by their list price, US dollars.",
        _API,
    ),
    Metric(
        "finops_cloud_api_budget_usd",
        "gauge",
        "What the sources that ask this API may pay a day (UTC) for all they ask, US dollars.",
        _API,
    ),
    Metric(
        "finops_collector_spent_today_usd",
        "gauge",
        "What a source has paid for requests on the current UTC day, US dollars; of sources that "
        "have ever paid.",
        _SOURCE,
    ),
    Metric(
        "finops_collector_daily_cap_usd",
        "gauge",
        "What the source may pay for requests a day (UTC), as of the last day on which it asked, "
        "US dollars.",
        _SOURCE,
    ),
)
"""The families about remote APIs."""
