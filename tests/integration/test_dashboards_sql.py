"""Every query of PostgreSQL in the dashboards, on the real schema with the demo's calls."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import pytest
from psycopg.rows import dict_row

from dashboard_files import POSTGRES, committed
from dashboard_variables import Chosen, sql
from finops_exporter.ai_budget.pricing import PriceList
from finops_exporter.app_demo import fill_ai
from finops_exporter.store.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dashboard_files import Dashboard, Panel, Target
    from dashboard_variables import Value

NOW: Final = datetime(2026, 11, 21, 13, 50, tzinfo=UTC)
SINCE: Final = NOW - timedelta(days=35)

Rows: TypeAlias = "list[dict[str, Any]]"

ASKED: Final = [
    (board, panel, target)
    for board in committed()
    for panel, target in board.queries
    if target.source_type == POSTGRES
]
CHOICES: Final[tuple[Mapping[str, Value], ...]] = (
    {},
    {"tenant": ("harbor-rentals",)},
    {"tenant": ("harbor-rentals", "velo-couriers"), "model": ("no such model",)},
    {"tenant": ("it's $1.00 (\\d)", "velo-couriers")},
)


class Call(NamedTuple):
    """One call of the log."""

    time: datetime
    tenant_id: str
    model: str
    report_type: str
    cost_usd: Decimal
    input: int
    output: int
    request_id: str


@pytest.fixture(scope="module")
def store(create_database: Callable[[str | None], str], template: str) -> Iterator[Database]:
    """A store with the demo's tenants, some of whose calls are dear."""
    database = Database(create_database(template), wait_seconds=30)
    database.open()
    fill_ai(database, PriceList(), NOW)
    with database.connection() as connection:
        connection.execute(
            "UPDATE ai_token_usage SET cost_usd = cost_usd + 1 WHERE hashtext(request_id) % 40 = 0"
        )
        connection.execute(
            "INSERT INTO ai_token_usage (time, tenant_id, model, cost_usd, report_type)"
            " VALUES (%s, %s, 'a model', 7.25, 'weekly')",
            (NOW - timedelta(hours=5), "it's $1.00 (\\d)"),
        )
    yield database
    database.close()


@pytest.fixture(scope="module")
def calls(store: Database) -> list[Call]:
    """All calls, for sums that PostgreSQL has no part in."""
    with store.connection() as connection:
        rows = connection.execute(
            "SELECT time, tenant_id, model, report_type, cost_usd, input_tokens"
            " + cache_read_tokens + cache_write_tokens + cache_write_1h_tokens, output_tokens,"
            " request_id FROM ai_token_usage WHERE cost_usd IS NOT NULL"
        ).fetchall()
    return [Call(*row) for row in rows]


def by_day(calls: list[Call]) -> Rows:
    """What the calls of each day (UTC) and model have cost."""
    sums: dict[tuple[datetime, str], Decimal] = defaultdict(Decimal)
    for one in calls:
        day = one.time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        sums[day, one.model] += one.cost_usd
    return [
        {"time": day, "metric": model, "usd": pytest.approx(float(usd))}
        for (day, model), usd in sorted(sums.items())
    ]


def dear(calls: list[Call]) -> Rows:
    """The newest hundred calls of more than a dollar."""
    found = sorted(
        (one for one in calls if one.cost_usd > 1), key=lambda one: one.time, reverse=True
    )
    return [
        {
            **one._asdict(),
            "usd": pytest.approx(float(one.cost_usd)),
        }
        for one in found[:100]
    ]


EXPECTED: Final[dict[tuple[str, str, str], Callable[[list[Call]], Rows]]] = {
    ("finops-ai-budget", "AI Spend Trend", "A"): by_day,
    ("finops-ai-budget", "Recent High-Cost Requests", "A"): dear,
}


def run(database: Database, statement: str) -> Rows:
    with database.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        return list(cursor.execute(statement.encode()).fetchall())


def expected(board: Dashboard, panel: Panel, target: Target) -> Callable[[list[Call]], Rows]:
    (found,) = (
        function
        for (uid, title, letter), function in EXPECTED.items()
        if (uid, letter) == (board.uid, target.ref_id) and panel.title.startswith(title)
    )
    return found


@pytest.mark.parametrize("given", CHOICES, ids=str)
@pytest.mark.parametrize(
    ("board", "panel", "target"),
    ASKED,
    ids=[f"{panel.title} {one.ref_id}" for _, panel, one in ASKED],
)
def test_a_query_answers_what_python_adds_up(
    store: Database,
    calls: list[Call],
    *,
    board: Dashboard,
    panel: Panel,
    target: Target,
    given: Mapping[str, Value],
) -> None:
    chosen = Chosen(given, {}, SINCE, NOW)
    looks = chosen.of(panel, target)
    found = run(store, sql(board, target.sql, looks))
    mine = [
        one
        for one in calls
        if looks.since <= one.time <= looks.until
        and one.tenant_id in given.get("tenant", (one.tenant_id,))
        and one.model in given.get("model", (one.model,))
    ]
    wanted = expected(board, panel, target)(mine)
    assert found == [{name: row[name] for name in found[0]} for row in wanted[: len(found)]]
    assert len(found) == len(wanted)
    assert bool(found) == ("model" not in given)


def test_there_are_such_queries_and_they_ask_nothing_else() -> None:
    assert len(ASKED) == len(EXPECTED)
    for _, _, target in ASKED:
        tables = set(re.findall(r"\b(?:FROM|JOIN)\s+(\w+)", target.sql))
        assert tables <= {"ai_token_usage"}, "tests only know what that table says"


@pytest.mark.parametrize(
    ("board", "panel", "target"), ASKED, ids=lambda one: getattr(one, "title", "")
)
def test_a_series_over_time_has_the_columns_that_grafana_takes(
    store: Database, *, board: Dashboard, panel: Panel, target: Target
) -> None:
    looks = Chosen({}, {}, SINCE, NOW).of(panel, target)
    first = run(store, sql(board, target.sql, looks))[0]
    if target.fields["format"] == "time_series":
        kinds = [type(value) for name, value in first.items() if name not in {"time", "metric"}]
        assert isinstance(first["time"], datetime)
        assert kinds == [float]
    else:
        assert target.fields["format"] == "table"
        assert Decimal not in map(type, first.values()), "numbers, not texts"


def test_a_store_without_calls_answers_nothing(database: Database) -> None:
    for board, panel, target in ASKED:
        looks = Chosen({}, {}, SINCE, NOW).of(panel, target)
        assert run(database, sql(board, target.sql, looks)) == []
