"""The samples of a snapshot under way: exact amounts until the last moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

from finops_exporter.exposition.catalogue import FINOPS_METRICS, cost_metric
from finops_exporter.exposition.metric import Family

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date, timedelta

    from finops_exporter.analysis.anomalies import Method as AnomalyMethod
    from finops_exporter.analysis.forecast import Method as ForecastMethod
    from finops_exporter.model import Basis
    from finops_exporter.store.reads import Cost


Sums: TypeAlias = dict[tuple[str, ...], Decimal]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the configuration says about showing costs.

    `rate(currency, day)` is how many US dollars one unit was worth, None when not configured.
    `lags` holds, for each configured source, how long after midnight a day counts as complete;
    `providers` whose costs it gives, where that is one alone. `names` and `owners` are the
    configured ones by (provider, account). `max_series` is how many series a family of a provider
    may have before the smallest are folded. `counts_customers` says whether there is anything to
    count them by. `intervals` is how often each source is read.
    """

    basis: Basis
    hold: timedelta
    tags: tuple[str, ...]
    lags: Mapping[str, timedelta]
    rate: Callable[[str, date], Decimal | None]
    providers: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[tuple[str, str], str] = field(default_factory=dict)
    owners: Mapping[tuple[str, str], str] = field(default_factory=dict)
    max_series: int = 50_000
    anomaly_method: AnomalyMethod = "weekday_median"
    forecast_method: ForecastMethod = "weekday_profile"
    counts_customers: bool = False
    intervals: Mapping[str, timedelta] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProviderTime:
    """Through which day a provider's numbers hold, and which month is its current one."""

    provider: str
    newest_complete: date
    month: date
    oldest: date


class Families:
    """Collects samples by family; amounts are converted and added up as Decimals first.

    `sums` holds the amounts of each (provider, cost family) by its labels without the provider.
    """

    def __init__(self, settings: Settings, times: Mapping[str, ProviderTime]) -> None:
        self.times = times
        self._settings = settings
        self.sums: dict[tuple[str, str], Sums] = {}
        self._families: dict[str, Family] = {}

    def add_costs(
        self,
        name: str,
        costs: Iterable[Cost],
        labels: Callable[[Cost], Iterable[str]],
        on: Callable[[Cost], date] | None = None,
    ) -> None:
        """Add `costs` to a cost family; `labels` gives the values after the provider's.

        `on` gives the day of the exchange rate; the default is the newest complete day.
        """
        for cost in costs:
            usd = self.usd(cost, on(cost) if on else None)
            if usd is None:
                continue
            sums = self.sums.setdefault((cost.provider, name), {})
            key = tuple(labels(cost))
            sums[key] = sums.get(key, Decimal(0)) + usd

    def add_worst(self, name: str, differences: Iterable[Cost]) -> None:
        """Add, of the differences by (source, cut) of each provider and month, the worst one."""
        by_cut: dict[tuple[str, date, str, str], Decimal] = {}
        for one in differences:
            usd = self.usd(one)
            if usd is not None:
                source, cut = one.dimensions
                key = (one.provider, one.when, source, cut)
                by_cut[key] = by_cut.get(key, Decimal(0)) + usd
        for (provider, month, _source, _cut), usd in by_cut.items():
            sums = self.sums.setdefault((provider, name), {})
            sample = (f"{month:%Y-%m}",)
            sums[sample] = max(sums.get(sample, usd), usd, key=abs)

    def add(self, name: str, labels: Sequence[str], number: float) -> None:
        """Add one sample of a family that belongs to no provider's prefix."""
        metric = FINOPS_METRICS[name]
        self._families.setdefault(name, Family(metric)).samples[tuple(labels)] = number

    def add_number(self, name: str, provider: str, labels: Sequence[str], number: float) -> None:
        """Add one sample of a cost family that is no sum: a float from the start."""
        metric, first = cost_metric(name, provider)
        family = self._families.setdefault(metric.name, Family(metric))
        family.samples[*first, *labels] = number

    def in_order(self) -> tuple[Family, ...]:
        """All families by name; here, and only here, money becomes a float."""
        for (provider, name), sums in self.sums.items():
            metric, first = cost_metric(name, provider)
            family = self._families.setdefault(metric.name, Family(metric))
            family.samples.update({(*first, *key): float(usd) for key, usd in sums.items()})
        return tuple(family for _, family in sorted(self._families.items()))

    def rate(self, provider: str, currency: str) -> Decimal | None:
        """One rate for all days of a provider: a comparison must not show the exchange rate."""
        time = self.times.get(provider)
        return None if time is None else self._settings.rate(currency, time.newest_complete)

    def usd(self, cost: Cost, on: date | None = None) -> Decimal | None:
        """The amount in the configured basis in US dollars; None without a rate.

        `on` gives the day of the exchange rate; the default is the newest complete day.
        """
        amount = cost.billed if self._settings.basis == "billed" else cost.effective
        rate = (
            self._settings.rate(cost.currency, on)
            if on
            else self.rate(cost.provider, cost.currency)
        )
        return None if rate is None else amount * rate
