"""How often each alert on cost would have fired on the stored usage, at several thresholds."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from finops_exporter.analysis import alerting
from finops_exporter.analysis.anomalies import Method, judge
from finops_exporter.analysis.judged import Options
from finops_exporter.errors import FinopsError
from finops_exporter.exposition.snapshot import provider_times
from finops_exporter.model import Progress, Window
from finops_exporter.store.matrix import usage_matrix
from finops_exporter.store.reads import snapshot_reader, stored_window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date, datetime
    from decimal import Decimal

    from numpy.typing import NDArray

    from finops_exporter.exposition.families import Settings
    from finops_exporter.store.database import Database
    from finops_exporter.store.matrix import Matrix

SPIKE: Final = (0.15, 0.2, 0.3, 0.5)
ANOMALY: Final = (3.0, 4.0, 5.0)
GROWTH: Final = (0.1, 0.2, 0.3)
DEFAULTS: Final = (0.2, 4.0)
"""The thresholds that the rules are delivered with."""

MOST_DAYS: Final = 400
FEWEST_DAYS: Final = 62
"""Two months: before, the alerts have next to nothing to compare with."""

MONTH_DAYS: Final = 30.44


@dataclass(frozen=True, slots=True)
class Fired:
    """How often an alert would have fired at a threshold.

    `alarms`: days in a row count once; `per_month` of all places together; `without_floor`: alarms
    if the floor in USD did not hold; `places`: how many of `of` (accounts, services of accounts, or
    providers) fired at all. `delivered`: whether the rules come with this threshold.
    """

    alert: str
    threshold: str
    delivered: bool
    alarms: int
    per_month: float
    without_floor: int | None
    places: int
    of: int


@dataclass(frozen=True, slots=True)
class AlertHistory:
    """The table, the days it is about, and the series that were left out for want of a rate."""

    window: Window
    fired: tuple[Fired, ...]
    unconverted: int


class _Usage(NamedTuple):
    """Usage in USD by series, by (provider, account) and by provider; rows of the larger sums."""

    by_series: NDArray[np.float64]
    by_account: NDArray[np.float64]
    by_provider: NDArray[np.float64]
    provider_of_series: NDArray[np.intp]
    provider_of_account: NDArray[np.intp]


def alert_history(
    database: Database,
    settings: Settings,
    method: Method,
    now: datetime,
    progress: Callable[[Progress], None],
) -> AlertHistory:
    """Replay the alerts on the last 400 days, through the newest complete one of each provider.

    `now` is an aware UTC datetime. Raises FinopsError when less than two months are stored.
    """
    stored = stored_window(database)
    with snapshot_reader(database) as reader:
        times = provider_times(reader, settings, now)
        window = _window(stored, [time.newest_complete for time in times.values()])
        if window is None:
            raise FinopsError(
                f"alerts are replayed on {FEWEST_DAYS} complete days of usage or more, and fewer "
                "are stored; collect older ones, or give a file with --input"
            )
        matrix = usage_matrix(reader, window, settings.basis)
    for row, series in enumerate(matrix.series):
        complete = (times[series.provider].newest_complete - window.since).days + 1
        matrix.amounts[row, max(0, complete) :] = np.nan
    converted, unconverted = _in_usd(matrix, settings.rate)
    if not converted.series:
        what = "has a rate to USD; see billing.rates" if unconverted else "is stored"
        raise FinopsError(f"no usage between {window.since} and {window.last} {what}")
    fired = tuple(_all(_summed(converted), window, method, progress))
    return AlertHistory(window, fired, unconverted)


def as_json(history: AlertHistory) -> str:
    """One JSON object; `to` is inclusive, `without_floor` null where an alert has no floor."""
    document = {
        "from": history.window.since.isoformat(),
        "to": history.window.last.isoformat(),
        "alerts": [asdict(one) for one in history.fired],
        "unconverted_series": history.unconverted,
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _window(stored: Window | None, complete: Sequence[date]) -> Window | None:
    if stored is None or not complete:
        return None
    until = max(complete) + timedelta(days=1)
    since = max(stored.since, until - timedelta(days=MOST_DAYS))
    return Window(since, until) if (until - since).days >= FEWEST_DAYS else None


def _in_usd(matrix: Matrix, rate: Callable[[str, date], Decimal | None]) -> tuple[Matrix, int]:
    """The series in USD; those of a currency without a rate on one of the days are left out."""
    days = [matrix.window.since + timedelta(days=day) for day in range(matrix.amounts.shape[1])]
    factors = {
        currency: np.array([float(rate(currency, day) or 0) for day in days])
        for currency in {series.currency for series in matrix.series}
    }
    kept = [row for row, series in enumerate(matrix.series) if factors[series.currency].all()]
    amounts = np.array([matrix.amounts[row] * factors[matrix.series[row].currency] for row in kept])
    series = tuple(matrix.series[row] for row in kept)
    return matrix._replace(series=series, amounts=amounts), len(matrix.series) - len(kept)


def _summed(matrix: Matrix) -> _Usage:
    accounts = sorted({(one.provider, one.account_id) for one in matrix.series})
    providers = sorted({provider for provider, _ in accounts})
    account_rows = [accounts.index((one.provider, one.account_id)) for one in matrix.series]
    provider_of_account = np.array([providers.index(provider) for provider, _ in accounts])
    by_account = _sums(matrix.amounts, account_rows, len(accounts))
    return _Usage(
        matrix.amounts,
        by_account,
        _sums(by_account, provider_of_account, len(providers)),
        provider_of_account[account_rows],
        provider_of_account,
    )


def _sums(
    amounts: NDArray[np.float64], rows: Sequence[int] | NDArray[np.intp], count: int
) -> NDArray[np.float64]:
    """Sums of the known amounts; a day that none of them has stays unknown."""
    sums, known = (np.zeros((count, amounts.shape[1])) for _ in range(2))
    np.add.at(sums, rows, np.nan_to_num(amounts))
    np.add.at(known, rows, np.isfinite(amounts))
    return np.where(known > 0, sums, np.nan)


def _all(
    usage: _Usage, window: Window, method: Method, progress: Callable[[Progress], None]
) -> Iterator[Fired]:
    months = (window.until - window.since).days / MONTH_DAYS
    floors = alerting.floor(usage.by_provider)
    for threshold in SPIKE:
        with_floor = alerting.spikes(usage.by_account, threshold, floors[usage.provider_of_account])
        without = alerting.spikes(usage.by_account, threshold, 0)
        yield _fired("CloudCostSpike", f"{threshold:.0%}", threshold, (with_floor, without), months)
    days = range(usage.by_series.shape[1])
    for done, threshold in enumerate(ANOMALY):
        progress(Progress("", done, len(ANOMALY)))
        options = Options(least_score=threshold)
        found = judge(usage.by_series, window.since, days, method=method, options=options)
        with_floor = alerting.anomalies(found, floors[usage.provider_of_series])
        without = alerting.anomalies(found, 0)
        name = "CostAnomalyDetected"
        yield _fired(name, f"score {threshold:g}", threshold, (with_floor, without), months)
    for threshold in GROWTH:
        found_growth = alerting.growth(usage.by_provider, threshold)
        yield _fired("CostGrowthHigh", f"{threshold:.0%}", threshold, (found_growth,), months)


def _fired(
    alert: str,
    text: str,
    threshold: float,
    fired: Sequence[NDArray[np.bool_]],
    months: float,
) -> Fired:
    counts = [alerting.alarms(one) for one in fired]
    alarms = int(counts[0].sum())
    return Fired(
        alert,
        text,
        threshold in DEFAULTS,
        alarms,
        round(alarms / months, 2),
        int(counts[1].sum()) if len(counts) > 1 else None,
        int(np.count_nonzero(counts[0])),
        len(counts[0]),
    )
