"""From the store to one frozen set of values; nothing here remembers what was before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from finops_exporter.analysis.billing_time import (
    billing_month,
    common_complete_day,
    months_of_year,
    newest_complete_day,
    offset_day,
    previous_month,
    trailing,
)
from finops_exporter.exposition.anomalies import add_anomalies, judgements
from finops_exporter.exposition.budgets import add_budgets
from finops_exporter.exposition.catalogue import DAY_OFFSETS, WINDOWS
from finops_exporter.exposition.customers import add_customers
from finops_exporter.exposition.families import Families, ProviderTime
from finops_exporter.exposition.folding import fold
from finops_exporter.exposition.forecasts import add_forecasts
from finops_exporter.exposition.sources import add_sources
from finops_exporter.model import Window, utc_midnight
from finops_exporter.store import anomalies
from finops_exporter.store.reads import Cost, snapshot_reader
from finops_exporter.store.years import costs_of_months

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from finops_exporter.exposition.budget_states import BudgetState
    from finops_exporter.exposition.families import Settings
    from finops_exporter.exposition.metric import Family
    from finops_exporter.model import Account, Budget
    from finops_exporter.store.database import Database
    from finops_exporter.store.members import Choice, Scope
    from finops_exporter.store.reads import SnapshotReader, SourceState

TRAILING_DAYS = 30

ALERT_FLOOR_USD = Decimal(25)
ALERT_FLOOR_SHARE = Decimal("0.005")
"""What is less than this share of a provider's mean day alerts nobody."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One state of the store, ready to be rendered."""

    generation: int
    times: tuple[ProviderTime, ...]
    sources: tuple[SourceState, ...]
    families: tuple[Family, ...]
    budgets: tuple[BudgetState, ...] = ()


def build(
    database: Database,
    settings: Settings,
    now: datetime,
    *,
    keep: bool = True,
    configured: Sequence[Budget] = (),
    choices: dict[Scope, Choice] | None = None,
) -> Snapshot:
    """Read everything that `/metrics` shows, in one consistent view; raises StoreError.

    `now` is an aware UTC datetime. Without `keep` nothing is written down: neither anomalies nor
    who is shown where families are folded. `configured` are budgets that need not be stored yet.
    `choices` are who is shown, where that is not to come from the store (see `fold`).
    """
    judged_until = anomalies.judged_until(database)
    with snapshot_reader(database) as reader:
        times = provider_times(reader, settings, now)
        families = Families(settings, times)
        generation = reader.generation()
        states = tuple(reader.source_states())
        _add_months(reader, families, settings)
        _add_year(reader, families)
        _add_days(reader, families)
        _add_spans(reader, families, now)
        _add_truth(reader, families)
        _add_facts(reader, families, settings)
        add_sources(reader, families, settings, now)
        budgets = add_budgets(reader, families, settings, now, configured)
        add_forecasts(reader, families, settings)
        judged = judgements(reader, families, settings, judged_until)
        if settings.counts_customers:
            add_customers(reader, families, now)
    # What has to be chosen anew is written down, which the view above cannot do.
    fold(database, families, settings.max_series, keep=keep, choices=choices)
    at = generation if keep else None
    add_anomalies(database, families, settings, judged, generation=at, now=now)
    return Snapshot(generation, tuple(times.values()), states, families.in_order(), budgets)


def provider_times(
    reader: SnapshotReader, settings: Settings, now: datetime
) -> dict[str, ProviderTime]:
    """Through which day each stored provider's numbers hold at `now` (aware UTC)."""
    stored = reader.stored_spans(now)
    configured: dict[str, list[date]] = {}
    removed: dict[str, list[date]] = {}
    for source, provider, covered_until in reader.coverage():
        lag = settings.lags.get(source)
        group = removed if lag is None else configured
        day = newest_complete_day(covered_until, now, lag or timedelta(0))
        group.setdefault(provider, []).append(day)
    times = {}
    for provider, (oldest, last_over) in stored.items():
        # Sources that are configured no more speak only where nobody else does. Without any usage
        # (purchases alone) nothing says how far it reaches but the last day itself.
        days = configured.get(provider) or removed.get(provider) or [last_over or oldest]
        newest = common_complete_day(days, settings.hold)
        month = billing_month(newest, now, settings.hold)
        times[provider] = ProviderTime(provider, newest, month, oldest)
    return times


def _add_months(reader: SnapshotReader, families: Families, settings: Settings) -> None:
    current = [(time.provider, time.month) for time in families.times.values()]
    # A month that began before the first stored day is unknown as a whole.
    before = [
        (time.provider, month)
        for time in families.times.values()
        if (month := previous_month(time.month)) >= time.oldest
    ]
    families.add_costs("cost_monthly_usd", reader.monthly(current), _with_month)
    families.add_costs("cost_previous_month_usd", reader.monthly(before), _with_month)
    families.add_costs("cost_charge_category_monthly_usd", reader.by_category(current), _with_month)
    families.add_costs(
        "cost_allocated_monthly_usd", reader.allocated(current, settings.tags), _with_month
    )
    families.add_worst("cost_unreconciled_usd", reader.unreconciled([*current, *before]))


def _add_year(reader: SnapshotReader, families: Families) -> None:
    # The year of the billing month, so that it turns when the months do.
    costs = costs_of_months(
        reader, [(time.provider, months_of_year(time.month)) for time in families.times.values()]
    )
    since: dict[str, date] = {}
    for cost in costs:
        first = max(cost.when, families.times[cost.provider].oldest)
        since[cost.provider] = min(first, since.get(cost.provider, first))
    families.add_costs(
        "cost_year_to_date_usd",
        costs,
        lambda cost: (*cost.dimensions, str(since[cost.provider])),
    )


def _add_days(reader: SnapshotReader, families: Families) -> None:
    days = [
        (time.provider, offset_day(time.newest_complete, offset), offset)
        for time in families.times.values()
        for offset in DAY_OFFSETS
    ]
    families.add_costs("cost_daily_usd", reader.daily(days), _with_offset)
    families.add_costs("cost_usage_daily_usd", reader.usage_daily(days), _with_offset)


def _add_spans(reader: SnapshotReader, families: Families, now: datetime) -> None:
    today = Window.inclusive(now.date(), now.date())
    partial = [(provider, "today", today) for provider in families.times]
    families.add_costs("cost_today_usd", reader.by_account(partial), lambda cost: cost.dimensions)
    spans = [
        (time.provider, label, window)
        for time in families.times.values()
        for back, label in enumerate(WINDOWS)
        # A window that begins before the first stored day is unknown, not small.
        if (window := trailing(time.newest_complete, TRAILING_DAYS, back)).since >= time.oldest
    ]
    _add_floors(reader, families)
    families.add_costs(
        "cost_trailing_30d_usd",
        reader.by_account(spans),
        lambda cost: (*cost.dimensions, cost.when),
    )


def _add_floors(reader: SnapshotReader, families: Families) -> None:
    spans = {
        time.provider: Window.inclusive(
            max(time.oldest, trailing(time.newest_complete, TRAILING_DAYS).since),
            time.newest_complete,
        )
        for time in families.times.values()
        if time.oldest <= time.newest_complete
    }
    sums = dict.fromkeys(spans, Decimal(0))
    for cost in reader.by_account([(name, "mean", window) for name, window in spans.items()]):
        sums[cost.provider] += families.usd(cost) or 0
    for provider, usd in sums.items():
        days = (spans[provider].until - spans[provider].since).days
        floor = max(ALERT_FLOOR_USD, ALERT_FLOOR_SHARE * usd / days)
        families.add("finops_alert_floor_usd", [provider], float(floor))


def _add_truth(reader: SnapshotReader, families: Families) -> None:
    # A counter begins at zero: nothing restated is known, not unknown.
    zero = Decimal(0)
    moved = [
        Cost(time.provider, time.oldest, (), "USD", zero, zero) for time in families.times.values()
    ]
    families.add_costs(
        "cost_restated_usd_total",
        [*moved, *reader.restated()],
        labels=lambda _: (),
        on=lambda cost: cost.when,
    )
    for time in families.times.values():
        families.add(
            "finops_billing_data_newest_day_timestamp_seconds",
            [time.provider],
            utc_midnight(time.newest_complete).timestamp(),
        )


def _add_facts(reader: SnapshotReader, families: Families, settings: Settings) -> None:
    for account in reader.accounts():
        families.add("finops_account_info", _account_labels(account, settings), 1)
    families.add("finops_cost_basis_info", [settings.basis], 1)
    unknown = [pair for pair in reader.currencies() if families.rate(*pair) is None]
    for source, currency, count in reader.rows_in(unknown):
        families.add("finops_unconverted_rows", [source, f"no_rate_{currency.lower()}"], count)


def _account_labels(account: Account, settings: Settings) -> tuple[str, ...]:
    key = (account.provider, account.account_id)
    name = settings.names.get(key) or account.account_name or ""
    return (*key, name, account.billing_account_id or "", settings.owners.get(key, ""))


def _with_month(cost: Cost) -> tuple[str, ...]:
    return (f"{cost.when:%Y-%m}", *cost.dimensions)


def _with_offset(cost: Cost) -> tuple[str, ...]:
    return (str(cost.when), *cost.dimensions)
