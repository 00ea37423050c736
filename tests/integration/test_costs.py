from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finops_exporter.errors import StoreError
from finops_exporter.model import Account, ControlTotal, CostRow, Rejected, Window
from finops_exporter.store import runs
from finops_exporter.store.costs import MANY_CHANGES, staging
from finops_exporter.store.reads import costs_by, generation, snapshot_reader, stored_window
from integration.feeding import NOW, cost, swap

if TYPE_CHECKING:
    from finops_exporter.store.database import Database

ALL = Window(date(2020, 1, 1), date(2030, 1, 1))


def total(database: Database) -> Decimal:
    return sum((one.billed for one in costs_by(database, [], ALL)), Decimal(0))


def fetch(database: Database, statement: str) -> list[tuple[Any, ...]]:
    with database.connection() as connection:
        return connection.execute(statement.encode()).fetchall()


def drift(database: Database) -> list[tuple[Any, ...]]:
    """Where a rollup differs from the facts below it, computed by the database from scratch."""
    return fetch(
        database,
        """
        WITH facts AS (
            SELECT f.*, date_trunc('month', day)::date AS month, c.group_id, g.provider,
                   g.account_id, g.currency, g.cut, p.source
            FROM cost_facts f JOIN cost_series c USING (series_id)
            JOIN cost_groups g USING (group_id) JOIN cost_parts p USING (part_id)
        )
        SELECT 'month', m.month::text, m.series_id::text FROM cost_months m
        FULL JOIN (SELECT month, series_id, sum(billed) AS b, sum(effective) AS e, count(*) AS n
                   FROM facts GROUP BY 1, 2) f USING (month, series_id)
        WHERE (m.billed, m.effective, m.facts) IS DISTINCT FROM (f.b, f.e, f.n)
        UNION ALL
        SELECT 'day', d.day::text, d.group_id::text FROM cost_days d
        FULL JOIN (SELECT day, group_id, sum(billed) AS b, sum(effective) AS e, count(*) AS n
                   FROM facts GROUP BY 1, 2) f USING (day, group_id)
        WHERE (d.billed, d.effective, d.facts) IS DISTINCT FROM (f.b, f.e, f.n)
        UNION ALL
        SELECT 'account', a.day::text, a.account_id FROM cost_account_days a
        FULL JOIN (SELECT provider, account_id, day, source, count(*) AS n
                   FROM facts GROUP BY 1, 2, 3, 4) f USING (provider, account_id, day, source)
        WHERE a.facts IS DISTINCT FROM f.n
        UNION ALL
        SELECT 'part', k.month::text, k.cut FROM cost_part_months k
        FULL JOIN (SELECT part_id, provider, month, currency, cut, sum(billed) AS b,
                          sum(effective) AS e, count(*) AS n
                   FROM facts GROUP BY 1, 2, 3, 4, 5) f
        USING (part_id, provider, month, currency, cut)
        WHERE (k.billed, k.effective, k.facts) IS DISTINCT FROM (f.b, f.e, f.n)
        """,
    )


def test_an_empty_store_has_nothing(database: Database) -> None:
    assert stored_window(database) is None
    assert costs_by(database, ["provider"], ALL) == []


def test_amounts_keep_every_digit(database: Database) -> None:
    tiny = "0.0000000000000000000000000001"
    huge = "123456789012345678901234567890.5"
    swap(database, [cost("2026-11-01", tiny, effective=huge)])
    (one,) = costs_by(database, [], ALL)
    assert (one.billed, one.effective) == (Decimal(tiny), Decimal(huge))


def test_replacing_a_part_removes_what_the_provider_withdrew(database: Database) -> None:
    swap(database, [cost("2026-11-01", "1"), cost("2026-11-02", "2"), cost("2026-11-03", "4")])
    changes = swap(database, [cost("2026-11-01", "1"), cost("2026-11-03", "5")])
    assert (changes.written, changes.removed) == (1, 1)
    assert total(database) == 6
    assert drift(database) == []


def test_equal_rows_change_nothing(database: Database) -> None:
    rows = [cost("2026-11-01", "1.50"), cost("2026-11-02", "2")]
    swap(database, rows)
    changes = swap(database, [cost("2026-11-01", "1.5"), cost("2026-11-02", "2.000")])
    assert (changes.written, changes.removed, changes.restated_days) == (0, 0, 0)


def test_rows_with_equal_keys_are_added_up(database: Database) -> None:
    swap(database, [cost("2026-11-01", "1.1"), cost("2026-11-01", "2.2")])
    assert total(database) == Decimal("3.3")


def test_parts_are_replaced_on_their_own(database: Database) -> None:
    swap(database, [cost("2026-11-01", "1", part="a"), cost("2026-11-01", "2", part="b")])
    swap(database, [cost("2026-11-01", "10", part="a")])
    assert total(database) == 12
    assert drift(database) == []


def test_a_header_only_part_withdraws_its_rows_and_a_withdrawn_part_disappears(
    database: Database,
) -> None:
    swap(database, [cost("2026-11-01", "1", part="a"), cost("2026-11-01", "2", part="b")])
    swap(database, [], parts=["a"])
    assert total(database) == 2
    swap(database, [], parts=[], withdrawn=["b"])
    assert total(database) == 0
    assert [row[0] for row in fetch(database, "SELECT part FROM cost_parts")] == ["a"]
    assert fetch(database, "SELECT * FROM cost_months") == []
    assert drift(database) == []


def test_rows_of_a_part_that_was_not_declared_complete_do_not_count(database: Database) -> None:
    swap(database, [cost("2026-11-01", "1", part="a")])
    swap(
        database,
        [cost("2026-11-01", "7", part="a"), cost("2026-11-01", "9", part="b")],
        parts=["b"],
    )
    assert total(database) == 10


def test_a_window_replaces_its_days_only_and_the_part_must_be_read_again(
    database: Database,
) -> None:
    swap(database, [cost("2026-11-01", "1"), cost("2026-11-02", "2"), cost("2026-11-03", "4")])
    window = Window.inclusive(date(2026, 11, 2), date(2026, 11, 2))
    swap(database, [], parts=[""], window=window)
    assert total(database) == 5
    with database.connection() as connection:
        assert runs.fingerprints(connection, "bill") == {"": "partial:fingerprint of "}


def test_a_row_outside_its_window_is_refused_and_nothing_changes(database: Database) -> None:
    swap(database, [cost("2026-11-01", "1")])
    window = Window.inclusive(date(2026, 11, 2), date(2026, 11, 2))
    with pytest.raises(StoreError, match="2026-11-03, outside its window"):
        swap(database, [cost("2026-11-03", "1")], window=window)
    assert total(database) == 1


def test_two_sources_of_the_same_money_are_an_error_that_names_both(database: Database) -> None:
    swap(database, [cost("2026-11-01", "1"), cost("2026-11-02", "1")], source="export")
    with pytest.raises(StoreError) as caught:
        swap(database, [cost("2026-11-02", "1"), cost("2026-11-03", "1")], source="api")
    assert str(caught.value) == (
        "api: account '111' of aws already comes from the source 'export' (1 days, 2026-11-02 to "
        "2026-11-02); the same money would count twice. Leave the account out of one of them, or "
        "give a renamed source its name back"
    )
    assert total(database) == 2
    # Another account of the same provider, or another day of the same account, is fine.
    swap(database, [cost("2026-11-02", "5", account_id="222")], source="api")
    assert total(database) == 7


def test_restatements_are_complete_days_that_were_stored_before(database: Database) -> None:
    covered = {"aws": datetime(2026, 11, 4, tzinfo=UTC)}
    first = [cost("2026-11-01", "10"), cost("2026-11-02", "10"), cost("2026-11-04", "3")]
    assert swap(database, first, covered_until=covered).restated_days == 0
    second = [
        cost("2026-11-01", "12"),  # restated by +2
        cost("2026-11-02", "9", service="EC2"),  # moved: -10 and +9
        cost("2026-11-03", "5"),  # complete, and known to be nothing until now
        cost("2026-10-31", "6"),  # older than all that was known of the account
        cost("2026-11-01", "6", account_id="222"),  # an account that is new
        cost("2026-11-04", "4"),  # stored, but was not complete
    ]
    assert swap(database, second, covered_until=covered).restated_days == 3
    assert fetch(
        database, "SELECT day, billed_change, billed_moved FROM cost_restatements ORDER BY 1"
    ) == [
        (date(2026, 11, 1), Decimal(2), Decimal(2)),
        (date(2026, 11, 2), Decimal(-1), Decimal(19)),
        (date(2026, 11, 3), Decimal(5), Decimal(5)),
    ]
    with snapshot_reader(database) as reader:
        assert sum(one.billed for one in reader.restated()) == 26


def test_a_day_within_the_lag_of_its_source_is_not_restated(database: Database) -> None:
    swap(database, [cost("2026-11-20", "1")])
    assert swap(database, [cost("2026-11-20", "9")], lag=timedelta(hours=36)).restated_days == 0
    assert swap(database, [cost("2026-11-20", "1")], lag=timedelta(hours=12)).restated_days == 1


def test_a_part_that_was_read_in_part_has_no_total_of_its_own_any_more(
    database: Database,
) -> None:
    control = ControlTotal("", "aws", date(2026, 11, 1), "USD", Decimal(3), Decimal(3))
    swap(database, [cost("2026-11-01", "3")], controls=[control])
    window = Window.inclusive(date(2026, 11, 1), date(2026, 11, 1))
    swap(database, [cost("2026-11-01", "4")], window=window)
    with snapshot_reader(database) as reader:
        assert reader.unreconciled([("aws", date(2026, 11, 1))]) == []


def test_an_older_file_does_not_bring_an_old_name_back(database: Database) -> None:
    new = Account("aws", "111", "new", named_on=date(2026, 11, 1))
    old = Account("aws", "111", "old", named_on=date(2026, 10, 1))
    swap(database, [cost("2026-11-01", "3")], accounts=[new])
    swap(database, [cost("2026-11-01", "3")], accounts=[old])
    with snapshot_reader(database) as reader:
        assert reader.accounts() == [new]
    swap(database, [], parts=[""])
    with snapshot_reader(database) as reader:
        assert reader.accounts() == []


def test_series_that_are_known_draw_no_numbers(database: Database) -> None:
    for amount in ("1", "2", "3"):
        swap(database, [cost("2026-11-01", amount)])
    swap(database, [cost("2026-11-01", "1"), cost("2026-11-01", "1", service="EC2")])
    assert fetch(database, "SELECT max(series_id), max(group_id) FROM cost_series") == [(2, 2)]


def test_what_belongs_to_no_account_may_come_from_several_sources(database: Database) -> None:
    swap(database, [cost("2026-11-01", "1", account_id="__none__")], source="one")
    swap(database, [cost("2026-11-01", "1", account_id="__none__")], source="two")
    assert total(database) == 2


def test_a_series_that_moves_from_one_file_to_another_restates_nothing(database: Database) -> None:
    swap(database, [cost("2026-11-01", "1", part="a")])
    changes = swap(database, [cost("2026-11-01", "1", part="b")], withdrawn=["a"])
    assert changes.restated_days == 0
    assert total(database) == 1


def test_controls_and_accounts(database: Database) -> None:
    control = ControlTotal("", "aws", date(2026, 11, 1), "USD", Decimal("3.5"), Decimal("3.5"))
    account = Account("aws", "111", "prod", "payer")
    swap(database, [cost("2026-11-01", "3")], controls=[control], accounts=[account])
    # A later, nameless mention does not forget the name.
    swap(database, [cost("2026-11-01", "3")], controls=[control], accounts=[Account("aws", "111")])
    with snapshot_reader(database) as reader:
        assert reader.accounts() == [account]
        (off,) = reader.unreconciled([("aws", date(2026, 11, 1))])
        assert reader.unreconciled([("aws", date(2026, 10, 1))]) == []
    assert (off.billed, off.effective) == (Decimal("0.5"), Decimal("0.5"))


def test_rejections_are_those_of_the_newest_run(database: Database) -> None:
    bad = Rejected("x.csv", "bad_amount", "'abc' is no number", row=3, column="BilledCost", rows=7)
    swap(database, [], parts=[], rejected=[bad])
    with snapshot_reader(database) as reader:
        assert reader.rejected_rows() == [("bill", "bad_amount", 7)]
    swap(database, [], parts=[])
    with snapshot_reader(database) as reader:
        assert reader.rejected_rows() == []


def test_every_swap_has_a_generation_and_a_failed_one_has_none(database: Database) -> None:
    before = generation(database)
    swap(database, [cost("2026-11-01", "1")])
    assert generation(database) == before + 1
    with database.connection() as connection, staging(connection, "bill") as stage:
        stage.add([cost("2026-11-01", "2")])
        with pytest.raises(StoreError), database.connection() as other:
            other.execute("SELECT 1/0")
    assert generation(database) == before + 1
    assert total(database) == 1


def test_a_run_of_a_dead_process_is_marked_killed(database: Database) -> None:
    with database.connection() as connection:
        runs.start(connection, "bill", None, NOW)
    swap(database, [cost("2026-11-01", "1")])
    found = fetch(database, "SELECT outcome, finished_at IS NULL FROM source_runs ORDER BY run_id")
    assert found == [("killed", False), ("succeeded", False)]


def test_a_source_is_collected_by_one_process_at_a_time(database: Database) -> None:
    with database.connection() as one, database.connection() as two:
        with runs.source_lock(one, "bill") as mine:
            assert mine
            with runs.source_lock(two, "bill") as also:
                assert not also
            with runs.source_lock(two, "other") as also:
                assert also
        with runs.source_lock(two, "bill") as mine:
            assert mine


def test_the_view_of_the_brief(database: Database) -> None:
    row = cost(
        "2026-11-01", "1.25", effective="1", tags={"team": "data", "environment": "production"}
    )
    swap(database, [row])
    assert fetch(
        database,
        "SELECT time, cloud_provider, account_id, service, region, cost, currency, resource_id,"
        " tags, project, team, environment FROM cloud_costs",
    ) == [
        (
            datetime(2026, 11, 1, tzinfo=UTC),
            "aws",
            "111",
            "S3",
            "us-east-1",
            Decimal("1.25"),
            "USD",
            None,
            {"team": "data", "environment": "production"},
            None,
            "data",
            "production",
        )
    ]


def test_sums_never_cross_cuts(database: Database) -> None:
    swap(
        database, [cost("2026-11-01", "1"), cost("2026-11-01", "1", cut="account,charge_category")]
    )
    assert total(database) == 1
    with snapshot_reader(database) as reader:
        (one,) = reader.monthly([("aws", date(2026, 11, 1))])
    assert one.billed == 1


FIRST = date(2026, 10, 28)
amounts = st.decimals(min_value=-1000, max_value=1000, places=9)
series = st.fixed_dictionaries(
    {
        "service": st.sampled_from(["S3", "EC2"]),
        "region": st.sampled_from(["eu", "us"]),
        "charge_category": st.sampled_from(["Usage", "Tax"]),
        "tags": st.sampled_from([{}, {"team": "data"}, {"team": "data", "project": "x"}]),
        "part": st.sampled_from(["a", "b"]),
    }
)


def test_the_planner_knows_a_store_that_was_just_filled(database: Database) -> None:
    known = "SELECT reltuples::integer FROM pg_class WHERE oid = 'cost_months'::regclass"
    swap(database, [cost("2026-11-20", "1")])
    assert fetch(database, known) == [(-1,)]
    many = [cost("2026-11-20", "1", service=f"s{number}") for number in range(MANY_CHANGES)]
    swap(database, many)
    assert fetch(database, known) == [(MANY_CHANGES,)]


rows_of_a_run = st.lists(
    st.builds(
        lambda offset, amount, dimensions: cost(
            str(FIRST + timedelta(days=offset)), str(amount), **dimensions
        ),
        st.integers(0, 7),
        amounts,
        series,
    ),
    max_size=12,
)
days = st.integers(0, 7).flatmap(lambda a: st.integers(a, 7).map(lambda b: (a, b)))
windows = st.none() | days.map(
    lambda pair: Window.inclusive(*(FIRST + timedelta(days=offset) for offset in pair))
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(rows_of_a_run, windows, st.sampled_from(["a", "b", "ab"])), max_size=4))
def test_any_history_of_replacements_equals_the_last_word_on_each_part_and_day(
    database: Database, history: list[tuple[list[CostRow], Window | None, str]]
) -> None:
    with database.connection() as connection:
        connection.execute(
            "TRUNCATE cost_facts, cost_parts, cost_series, cost_groups, cost_months, cost_days,"
            " cost_account_days, cost_part_months, cost_coverage, cost_controls,"
            " cost_restatements CASCADE"
        )
    truth: dict[tuple[str, date], list[CostRow]] = defaultdict(list)
    for rows, window, parts in history:
        given_rows = [
            row
            for row in rows
            if row.part in parts and (window is None or window.since <= row.day < window.until)
        ]
        swap(database, given_rows, parts=list(parts), window=window)
        for part, day in list(truth):
            if part in parts and (window is None or window.since <= day < window.until):
                del truth[part, day]
        for row in given_rows:
            truth[row.part, row.day].append(row)
    expected: dict[tuple[str, ...], Decimal] = defaultdict(Decimal)
    for row in (row for rows in truth.values() for row in rows):
        key = (row.service, row.region, row.charge_category, row.tags.get("team", "__untagged__"))
        expected[*key, str(row.day)] += row.billed
    keys = ["service", "region", "charge_category", "team"]
    found = {
        (*one.key, str(one.period)): one.billed
        for one in costs_by(database, keys, ALL, grain="day")
    }
    assert found == expected
    assert drift(database) == []
