"""Anomalies of a snapshot: the newest complete days are judged, written down, and shown.

Judged is effective usage by (account, service): taxes, purchases and credits have their own days.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from math import isnan
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from finops_exporter.analysis.anomalies import judge
from finops_exporter.analysis.judged import Kind
from finops_exporter.exposition.folding import OTHER
from finops_exporter.model import Window
from finops_exporter.store import anomalies
from finops_exporter.store.anomalies import Found
from finops_exporter.store.matrix import usage_matrix

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date, datetime

    from numpy.typing import NDArray

    from finops_exporter.analysis.anomalies import Method
    from finops_exporter.analysis.judged import Judged
    from finops_exporter.exposition.families import Families, ProviderTime, Settings
    from finops_exporter.store.anomalies import Cell
    from finops_exporter.store.database import Database
    from finops_exporter.store.reads import SnapshotReader

HISTORY_DAYS = 400
"""So many days are read: a year, and what the method wants before its first day."""

JUDGED_AGAIN = 3
"""The newest complete days are judged at every refresh: they are still being restated."""

CATCH_UP = 31
"""No more days are judged for the first time at once."""

WORTH_SHOWING_USD = 2.0
"""Series that cost less than this, and should, are judged and not shown."""

KINDS = {Kind.SPIKE: "spike", Kind.RAMP: "ramp", Kind.NEW: "new_service"}


class Shown(NamedTuple):
    """What the families say of one series: of one of its judged days."""

    score: float
    expected: float
    excess: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """Of one provider: `judged.*[series, day]` for the given days, amounts in US dollars."""

    provider: str
    series: tuple[tuple[str, str], ...]
    days: tuple[date, ...]
    actual: NDArray[np.float64]
    judged: Judged

    def found(self) -> Iterator[Found]:
        """The flagged days, and those on which a service first cost anything."""
        for row, column in np.argwhere(self.judged.kind != Kind.NONE):
            score = float(self.judged.score[row, column])
            expected = float(self.judged.expected[row, column])
            actual = float(self.actual[row, column])
            account_id, service = self.series[row]
            yield Found(
                account_id,
                service,
                self.days[column],
                KINDS[Kind(int(self.judged.kind[row, column]))],
                None if isnan(score) else score,
                _usd(0.0 if isnan(expected) else expected),
                _usd(actual),
                _usd(actual if isnan(expected) else actual - expected),
            )

    def shown(self, silenced: set[Cell]) -> Iterator[tuple[tuple[str, str], Shown]]:
        """Of each series the worst flagged day of the newest ones, else the newest judged day."""
        newest = range(max(0, len(self.days) - JUDGED_AGAIN), len(self.days))
        for row, key in enumerate(self.series):
            days = [
                column
                for column in newest
                if not isnan(self.judged.score[row, column])
                and (*key, self.days[column]) not in silenced
            ]
            if days:
                worst = max(days, key=lambda day: self._rank(row, day))
                numbers = (self.judged.score, self.judged.expected, self.judged.excess)
                # Behind the sixth digit there is but the noise of logarithms.
                shown = Shown(*(round(float(one[row, worst]), 6) + 0.0 for one in numbers))
                if max(shown.expected, shown.expected + shown.excess) >= WORTH_SHOWING_USD:
                    yield key, shown

    def _rank(self, row: int, column: int) -> tuple[bool, float]:
        flagged = bool(self.judged.flagged[row, column])
        return flagged, float(self.judged.score[row, column]) if flagged else float(column)


def judgements(
    reader: SnapshotReader,
    families: Families,
    settings: Settings,
    judged_until: Mapping[str, date],
) -> list[Judgement]:
    """Judge the newest complete days of each provider, from one state of the store."""
    found = []
    for time in families.times.values():
        since = max(time.oldest, time.newest_complete - timedelta(days=HISTORY_DAYS - 1))
        if since <= time.newest_complete:
            window = Window.inclusive(since, time.newest_complete)
            first = _first_judged(time, judged_until.get(time.provider))
            method = settings.anomaly_method
            found.append(
                _judgement(reader, families, time, window=window, first=first, method=method)
            )
    return found


def add_anomalies(
    database: Database,
    families: Families,
    settings: Settings,
    judged: list[Judgement],
    *,
    generation: int | None,
    now: datetime,
) -> None:
    """Write down what was found at `generation` and add the families; raises StoreError.

    None writes nothing; what people have decided then holds as it is written by now.

    Where the families of usage are folded, only the members that these show have a judgement, and
    those with an anomaly. Call it when that is done.
    """
    method = settings.anomaly_method
    for one in judged:
        found = list(one.found())
        if generation is None:
            silenced = anomalies.silenced(database, one.provider, one.days)
        else:
            silenced = anomalies.record(
                database, one.provider, method, one.days, found, generation=generation, now=now
            )
        loud = {(anomaly.account_id, anomaly.service) for anomaly in found}
        usage = families.sums.get((one.provider, "cost_usage_daily_usd"), {})
        members = {key[1:] for key in usage}
        for key, shown in one.shown(silenced):
            if (OTHER, OTHER) in members and key not in members | loud:
                continue
            for name, number in shown._asdict().items():
                suffix = "" if name == "score" else "_usd"
                families.add(f"finops_cost_anomaly_{name}{suffix}", [one.provider, *key], number)


def _first_judged(time: ProviderTime, judged_until: date | None) -> date:
    newest = time.newest_complete
    again = newest - timedelta(days=JUDGED_AGAIN - 1)
    if judged_until is None:
        return max(again, time.oldest)
    missed = max(judged_until + timedelta(days=1), newest - timedelta(days=CATCH_UP - 1))
    return max(min(again, missed), time.oldest)


def _judgement(
    reader: SnapshotReader,
    families: Families,
    time: ProviderTime,
    *,
    window: Window,
    first: date,
    method: Method,
) -> Judgement:
    matrix = usage_matrix(reader, window, "effective", provider=time.provider)
    rows: dict[tuple[str, str], NDArray[np.float64]] = {}
    for series, amounts in zip(matrix.series, matrix.amounts, strict=True):
        rate = families.rate(series.provider, series.currency)
        if rate is not None:
            key = (series.account_id, series.service)
            usd = amounts * float(rate)
            rows[key] = _added(rows[key], usd) if key in rows else usd
    days = (window.until - window.since).days
    usd = np.array(list(rows.values())) if rows else np.empty((0, days))
    start = (first - window.since).days
    judged = judge(usd, window.since, range(start, days), method=method)
    listed = tuple(window.since + timedelta(days=day) for day in range(start, days))
    return Judgement(time.provider, tuple(rows), listed, usd[:, start:], judged)


def _added(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum of two currencies of one series: a day is missing only where both are."""
    return np.where(np.isnan(one), other, np.where(np.isnan(other), one, one + other))


def _usd(amount: float) -> Decimal:
    return Decimal(f"{amount:.6f}")
