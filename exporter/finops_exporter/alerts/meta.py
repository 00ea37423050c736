"""What the alerts on the exporter's own sources and budgets look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finops_exporter.alerts.rule import Line
from finops_exporter.alerts.values import named, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finops_exporter.alerts.values import Values

DAY_SECONDS = 86_400

_PROVIDER = ("provider",)
_SOURCE = ("provider", "collector")
_REASON = ("collector", "reason")


def stale(values: Values, now: float) -> Iterator[Line]:
    """How many of its intervals ago each source was read, and whether it was never."""
    success = values.by("finops_collector_success", _SOURCE, max)
    last = values.by("finops_collector_last_success_timestamp_seconds", _SOURCE, max)
    interval = values.by("finops_collector_interval_seconds", _SOURCE, max)
    for key in success.keys() | last.keys():
        age = ratio(now - last[key], interval.get(key)) if key in last else None
        never = float(success[key] == 0 and key not in last) if key in success else None
        yield Line(named(_SOURCE, key), [age, never], {}, {})


def missing_days(values: Values, now: float) -> Iterator[Line]:
    """How long after its usual delay the newest complete day of each provider has ended."""
    newest = values.by("finops_billing_data_newest_day_timestamp_seconds", _PROVIDER, max)
    lags = values.by("finops_source_lag_seconds", _PROVIDER, max)
    for key in newest.keys() & lags.keys():
        yield Line(named(_PROVIDER, key), [now - DAY_SECONDS - newest[key] - lags[key]], {}, {})


def budgets_unknown(values: Values, _now: float) -> Iterator[Line]:
    """Why budgets cannot be told; one that is told only in part is."""
    labels = ("budget", "reason")
    for key, problem in values.by("finops_budget_problems", labels, max).items():
        if key[1] != "partial_history":
            yield Line(named(labels, key), [problem], {}, {})


def budgets_missing(values: Values, _now: float) -> Iterator[Line]:
    """Whether no budget speaks of a provider that is read, nor of the organisation."""
    newest = values.by("finops_billing_data_newest_day_timestamp_seconds", _PROVIDER, max)
    lags = values.by("finops_source_lag_seconds", _PROVIDER, max)
    scopes = values.by("cloud_budget_limit_usd", ("scope_type", "scope_value"))
    for key in newest.keys() & lags.keys():
        spoken_of = any(
            scope == "organization" or (scope == "provider" and value == key[0])
            for scope, value in scopes
        )
        yield Line(named(_PROVIDER, key), [float(not spoken_of)], {}, {})


def unreconciled(values: Values, _now: float) -> Iterator[Line]:
    """How far the parts of a month are from the provider's own total, either way."""
    months = ("month",)
    costs = values.of_providers("cost_previous_month_usd", months)
    costs |= values.of_providers("cost_monthly_usd", months)
    for key, usd in values.of_providers("cost_unreconciled_usd", months).items():
        ours = costs.get(key, 0.0)
        # Either may be nothing, or less than that with credits.
        tested = [ratio(abs(usd), max(abs(ours), abs(ours + usd))), abs(usd)]
        yield Line(named(("provider", *months), key), tested, {}, {"cost": costs.get(key)})


def api_caps(values: Values, _now: float) -> Iterator[Line]:
    """What each source has spent today of what its requests may cost."""
    caps = values.by("finops_collector_daily_cap_usd", _SOURCE, max)
    spent = values.by("finops_collector_spent_today_usd", _SOURCE, max)
    for key in caps.keys() | spent.keys():
        part, whole = spent.get(key), caps.get(key)
        beside = {"spent": part, "cap": whole}
        yield Line(named(_SOURCE, key), [ratio(part, whole)], {}, beside)


def rows_left_out(values: Values, _now: float) -> Iterator[Line]:
    """Rows of each source that no number contains, by reason."""
    rejected = values.by("finops_rejected_rows", _REASON)
    unconverted = values.by("finops_unconverted_rows", _REASON)
    for key in rejected.keys() | unconverted.keys():
        number = rejected.get(key) or unconverted.get(key)
        yield Line(named(_REASON, key), [number or 0.0], {}, {})
