from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finops_exporter.model import Window
from finops_exporter.store.matrix import UsageSeries, usage_matrix
from finops_exporter.store.reads import costs_by, snapshot_reader
from integration.feeding import cost, swap

if TYPE_CHECKING:
    from decimal import Decimal

    from finops_exporter.model import Basis, CostRow
    from finops_exporter.store.database import Database

SINCE = date(2026, 10, 20)
WINDOW = Window(SINCE, SINCE + timedelta(days=20))
COVERED = {"aws": datetime(2026, 11, 21, tzinfo=UTC)}


def test_nothing_stored_is_a_matrix_without_series(database: Database) -> None:
    with snapshot_reader(database) as reader:
        matrix = usage_matrix(reader, WINDOW, "billed")
    assert matrix.series == ()
    assert matrix.amounts.shape == (0, 20)


def test_days_without_a_row_are_not_a_number_and_other_charges_are_left_out(
    database: Database,
) -> None:
    rows = [
        cost("2026-10-20", "1.5", effective="1"),
        cost("2026-10-22", "-0.25", effective="0", region="eu-west-1"),
        cost("2026-10-22", "4", effective="3"),
        cost("2026-10-22", "100", charge_category="Tax"),
        cost("2026-10-21", "7", currency="EUR"),
        cost("2026-10-19", "9"),
        cost("2026-11-09", "9"),
    ]
    swap(database, rows, covered_until=COVERED)
    with snapshot_reader(database) as reader:
        billed = usage_matrix(reader, WINDOW, "billed")
        effective = usage_matrix(reader, WINDOW, "effective")
    assert billed.series == (
        UsageSeries("aws", "111", "S3", "EUR"),
        UsageSeries("aws", "111", "S3", "USD"),
    )
    nan = float("nan")
    np.testing.assert_array_equal(billed.amounts[:, :3], [[nan, 7, nan], [1.5, nan, 3.75]])
    np.testing.assert_array_equal(effective.amounts[:, :3], [[nan, 7, nan], [1, nan, 3]])
    assert np.isnan(billed.amounts[:, 3:]).all()


usage = st.builds(
    lambda back, amount, service, account: cost(
        str(SINCE + timedelta(days=back)), str(amount), service=service, account_id=account
    ),
    st.integers(-3, 23),
    st.decimals(-1000, 1000, places=9),
    st.sampled_from(["EC2", "S3"]),
    st.sampled_from(["1", "2"]),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(usage, max_size=40), st.sampled_from(["billed", "effective"]))
def test_it_holds_what_the_exact_sums_say(
    database: Database, rows: list[CostRow], basis: Basis
) -> None:
    swap(database, rows, parts=[""], covered_until=COVERED)
    with snapshot_reader(database) as reader:
        matrix = usage_matrix(reader, WINDOW, basis)
    expected: dict[tuple[str, str, date], Decimal] = {
        (one.key[0], one.key[1], one.period): one.billed
        for one in costs_by(database, ["account", "service"], WINDOW, grain="day")
        if one.period is not None
    }
    found = {
        (key.account_id, key.service, SINCE + timedelta(days=int(day))): row[day]
        for key, row in zip(matrix.series, matrix.amounts, strict=True)
        for day in np.flatnonzero(~np.isnan(row))
    }
    assert found == {key: float(amount) for key, amount in expected.items()}
