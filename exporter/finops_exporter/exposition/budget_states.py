"""How each budget stands, from stored sums to values: for the metrics, for people, for the history.

Amounts are in the budget's own currency. What cannot be told is None, with a problem that says why.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from finops_exporter.analysis import budgets as maths
from finops_exporter.analysis.billing_time import common_complete_day
from finops_exporter.exposition.budget_lines import Look, look
from finops_exporter.exposition.estimates import (
    HISTORY_DAYS,
    LEAST_DAYS,
    TAG_HISTORY_DAYS,
    Days,
    first_day,
)
from finops_exporter.model import TAG_SCOPES, Window
from finops_exporter.store import budgets as store

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from finops_exporter.analysis.budgets import Spending, Standing
    from finops_exporter.analysis.forecast import Method
    from finops_exporter.exposition.families import ProviderTime, Settings
    from finops_exporter.model import Budget
    from finops_exporter.store.budgets import Amount
    from finops_exporter.store.reads import SnapshotReader


class Problem(NamedTuple):
    """Why a budget cannot be told: a short, stable word for metrics, a sentence for people."""

    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class PeriodState:
    """A period of a budget: its first day by the budget's clock, its costs and how it stands."""

    start: date
    spending: Spending
    standing: Standing


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget and its periods, None where they are not known or (`closing`) closed.

    `usd` is what one unit of its currency is worth. `reached` are the thresholds that were reached
    in the current period, `stored` those of them that are written down; of days, those from
    `recorded_since` on are. `forecast` is what the current period will have cost, by estimate
    ("p10", ...): floats, in the budget's currency; empty where there is none.
    """

    budget: Budget
    usd: Decimal | None = None
    problems: tuple[Problem, ...] = ()
    current: PeriodState | None = None
    closing: PeriodState | None = None
    reached: frozenset[Decimal] = frozenset()
    stored: frozenset[Decimal] = frozenset()
    zone: ZoneInfo | None = None
    recorded_since: date = date.max
    forecast: Mapping[str, float] = field(default_factory=dict)


def budget_states(
    reader: SnapshotReader,
    budgets: Sequence[Budget],
    settings: Settings,
    times: Mapping[str, ProviderTime],
    now: datetime,
    *,
    kept: Collection[str] | None = None,
) -> tuple[BudgetState, ...]:
    """How each of the budgets stands at `now` (aware UTC), in their order; raises StoreError.

    Thresholds that are written down as reached count for the names in `kept` (None: for all).
    """
    mistakes = [_mistake(budget, settings) for budget in budgets]
    looks = {
        number: look(reader, number, budget, times=times, now=now, hold=settings.hold)
        for number, budget in enumerate(budgets)
        if mistakes[number] is None
    }
    found: dict[int, list[Amount]] = defaultdict(list)
    days = [line for one in looks.values() for line in one.days]
    months = [line for one in looks.values() for line in one.months]
    for amount in store.amounts(reader.connection, days, months):
        found[amount.number].append(amount)
    reached = {
        key: percents
        for key, percents in store.reached(reader.connection).items()
        if kept is None or key[0] in kept
    }
    return tuple(
        BudgetState(budget, settings.rate(budget.currency, now.date()), (mistake,))
        if mistake
        else _state(looks[number], found[number], settings, now, reached)
        for number, (budget, mistake) in enumerate(zip(budgets, mistakes, strict=True))
    )


def _mistake(budget: Budget, settings: Settings) -> Problem | None:
    """What makes a stored budget senseless here, although it was right where it was set."""
    if budget.scope in TAG_SCOPES and budget.scope not in settings.tags:
        text = f"there is no tag {budget.scope!r} in the configuration any more (section tags)"
        return Problem("unknown_tag", text)
    try:
        ZoneInfo(budget.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        text = f"this machine does not know the time zone {budget.time_zone!r}"
        return Problem("unknown_time_zone", text)
    return None


def _state(
    look: Look,
    amounts: Sequence[Amount],
    settings: Settings,
    now: datetime,
    reached: Mapping[tuple[str, date], set[Decimal]],
) -> BudgetState:
    budget, zone, hold = look.budget, look.zone, settings.hold
    # A provider whose costs ended long ago must not hold the others back.
    counting = {amount.provider for amount in amounts if amount.day >= look.held}
    if not counting:
        usd = settings.rate(budget.currency, now.date())
        return BudgetState(budget, usd, tuple(_unseen(look)), zone=zone)
    times = [look.times[provider] for provider in sorted(counting)]
    newest = [time.newest_complete for time in times]
    as_of = common_complete_day(newest, hold)
    money = _Money(look, amounts, settings, as_of, min(time.oldest for time in times))
    start = maths.current_start(newest, now, budget.period, zone, hold)
    current = money.period(start)
    before = maths.previous_start(start, budget.period)
    window = maths.days_of(before, budget.period, zone)
    closing, today = None, now.astimezone(zone).date()
    # A period that began before the first stored day is unknown as a whole once it is over.
    is_known = money.known_since <= window.since
    if is_known and maths.is_closing(start, window, as_of, today, hold):
        closing = money.period(before)
    stored = reached.get((budget.name, start), set()).intersection(budget.thresholds)
    fresh: set[Decimal] = set()
    if current is not None:
        fresh = maths.reached(budget.amount, current.standing.spent, budget.thresholds)
    return BudgetState(
        budget,
        money.usd,
        tuple(dict.fromkeys(money.problems)),
        current,
        closing,
        frozenset(stored | fresh),
        frozenset(stored),
        zone,
        look.recorded_since,
        _forecast(budget, current.spending, settings.forecast_method) if current else {},
    )


def _forecast(budget: Budget, spending: Spending, method: Method) -> dict[str, float]:
    """What the whole period will have cost: the days to look at, and what was before them."""
    if spending.is_partly_known or spending.complete_days < LEAST_DAYS:
        return {}
    back = TAG_HISTORY_DAYS if budget.scope in TAG_SCOPES else HISTORY_DAYS
    window, newest = spending.window, spending.as_of
    first = min(max(first_day(newest, back), spending.known_since), newest)
    before = float(spending.through(first - maths.DAY))
    days = Days({day: float(amount) for day, amount in spending.days.items()}, first, newest)
    rest = Window(max(window.since, first), window.until)
    return {estimate: before + value for estimate, value in days.estimates(rest, method)}


def _unseen(look: Look) -> Iterator[Problem]:
    for text in dict.fromkeys(look.lacking.values()):
        yield Problem("no_cut", text)
    if not look.lacking:
        yield Problem(
            "no_costs", f"no cost of this scope is stored since {look.held}; look at its value"
        )


class _Money:
    """The amounts of a budget's scope in its own currency, and what is wrong with them."""

    def __init__(
        self,
        look: Look,
        amounts: Sequence[Amount],
        settings: Settings,
        as_of: date,
        known_since: date,
    ) -> None:
        self._look = look
        self._as_of = as_of
        self._days: dict[date, Decimal] = defaultdict(Decimal)
        self._without_rate: dict[date, str] = {}
        self.known_since = known_since
        self.problems: list[Problem] = []
        # One rate for all days: what is compared must not show the exchange rate.
        self.usd = settings.rate(look.budget.currency, as_of)
        if self.usd is None:
            self.problems.append(_no_rate(look.budget.currency, as_of))
        for amount in amounts:
            value = amount.billed if look.budget.basis == "billed" else amount.effective
            rate = self._rate(amount.currency, settings)
            if rate is None:
                lacking = look.budget.currency if self.usd is None else amount.currency
                self._without_rate[amount.day] = lacking
            else:
                self._days[amount.day] += value * rate

    def _rate(self, currency: str, settings: Settings) -> Decimal | None:
        if currency == self._look.budget.currency:
            return Decimal(1)
        rate = settings.rate(currency, self._as_of)
        return None if rate is None or self.usd is None else rate / self.usd

    def period(self, start: date) -> PeriodState | None:
        """The period that begins on `start`; None, with a problem, where it cannot be told."""
        budget = self._look.budget
        window = maths.days_of(start, budget.period, self._look.zone)
        unknown = list(self._unknown(window))
        if unknown:
            self.problems += unknown
            return None
        spending = maths.Spending(window, self._days, self._as_of, self.known_since)
        if spending.is_partly_known:
            text = f"the period began on {window.since}, but costs are stored since "
            self.problems.append(Problem("partial_history", f"{text}{self.known_since}"))
        return PeriodState(start, spending, maths.standing(budget.amount, spending))

    def _unknown(self, window: Window) -> Iterator[Problem]:
        for part, text in self._look.lacking.items():
            if part.since < window.until and part.until > window.since:
                yield Problem("no_cut", text)
        for day, currency in self._without_rate.items():
            if window.since <= day < window.until:
                yield _no_rate(currency, self._as_of)
        is_empty = not any(window.since <= day < window.until for day in self._days)
        if is_empty and self._as_of < window.since:
            yield Problem("no_days", f"no day since {window.since} is stored yet")


def _no_rate(currency: str, on: date) -> Problem:
    text = f"there is no rate for {currency} on {on} (billing.rates in the configuration)"
    return Problem(f"no_rate_{currency.lower()}", text)
