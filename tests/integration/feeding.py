"""Swaps rows into a store as the kernel does, without a collector."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from finops_exporter.model import Complete, CostRow, utc_midnight
from finops_exporter.store import runs
from finops_exporter.store.costs import Changes, Declared, staging

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from finops_exporter.model import Account, ControlTotal, Notice, Rejected, Window
    from finops_exporter.store.database import Database

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def cost(day: str, billed: str, *, effective: str | None = None, **others: Any) -> CostRow:
    """A row with plain defaults; amounts as decimal text."""
    fields: dict[str, Any] = {
        "provider": "aws",
        "account_id": "111",
        "service": "S3",
        "region": "us-east-1",
        "charge_category": "Usage",
        "currency": "USD",
    }
    return CostRow(
        day=date.fromisoformat(day),
        billed=Decimal(billed),
        effective=Decimal(billed if effective is None else effective),
        **(fields | others),
    )


def swap(
    database: Database,
    rows: Iterable[CostRow],
    *,
    source: str = "bill",
    parts: Sequence[str] | None = None,
    withdrawn: Sequence[str] = (),
    window: Window | None = None,
    covered_until: Mapping[str, datetime] | None = None,
    controls: Sequence[ControlTotal] = (),
    accounts: Sequence[Account] = (),
    rejected: Sequence[Rejected] = (),
    notices: Sequence[Notice] = (),
    now: datetime = NOW,
    lag: timedelta = timedelta(0),
    result: runs.RunResult | None = None,
) -> Changes:
    """Replace `parts` (default: those of the rows) of `source` by `rows`."""
    listed = list(rows)
    keys = sorted({row.part for row in listed}) if parts is None else parts
    covered = covered_until if covered_until is not None else {"aws": NOW}
    declared = Declared(
        complete=[Complete(key, f"fingerprint of {key}", window, covered) for key in keys],
        withdrawn=list(withdrawn),
        controls=list(controls),
        accounts=list(accounts),
        rejected=list(rejected),
        notices=list(notices),
    )
    with database.connection() as connection:
        run_id = runs.start(connection, source, window, now)
        with staging(connection, source) as stage:
            stage.add(listed)
            ended = result or runs.RunResult("succeeded")
            return stage.swap(run_id, declared, ended, now, lag)


def fill(database: Database, places: int) -> None:
    """Usage of so many (account, region, service) on each day that /metrics compares."""
    now = datetime.now(UTC)
    today = now.date()
    swap(
        database,
        (
            cost(
                str(today - timedelta(days=back)),
                f"{number * 7919 % 10_000_019}e-4",
                account_id=f"{100_000_000_000 + number // 200}",
                region=f"eu-central-{number // 40 % 5}",
                service=f"Amazon Service {number % 40:02}",
            )
            for back in (1, 2, 8, 40)
            for number in range(places)
        ),
        parts=[""],
        now=now,
        covered_until={"aws": utc_midnight(today)},
    )


def costs_until(newest: date, days: int) -> st.SearchStrategy[list[CostRow]]:
    """Some rows of two accounts and two services, within so many days before the newest one."""
    return st.lists(
        st.builds(
            lambda back, amount, account, service: cost(
                str(newest - timedelta(days=back)),
                str(amount),
                account_id=account,
                service=service,
            ),
            st.integers(0, days),
            st.decimals(min_value=-50, max_value=100, places=7),
            st.sampled_from(["111", "222"]),
            st.sampled_from(["S3", "EC2"]),
        ),
        min_size=1,
        max_size=30,
    )
