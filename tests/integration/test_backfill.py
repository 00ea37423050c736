"""`backfill` as people use it: into blocks of a real Prometheus, asked for what SQL knows too."""

from __future__ import annotations

import runpy
import signal
import subprocess
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
import yaml

from finops_exporter import app
from finops_exporter.model import utc_midnight
from finops_exporter.store.database import Database
from integration.feeding import cost, swap
from integration.processes import as_url, configure, end, invoke, on_terminal, started, until
from integration.scraping import prometheus
from integration.test_as_of import FIRST, bills, feed, insert_calls
from integration.test_serve import yesterday
from rule_files import FILES, RECORDINGS
from shared import ROOT, tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from integration.scraping import Prometheus

NOW = datetime(2026, 11, 21, 12, 34, 56, tzinfo=UTC)
SINCE, UNTIL = "2026-09-30", "2026-10-03"
MARKED = {"job": "finops", "instance": "replica:9836"}
KEEP = "--storage.tsdb.retention.time=10y"
OF_OURS = {"cloud-budget", "ai-budget", "trend", "meta"}
"""The groups that read what is in a history; the others read what processes say of themselves."""


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def fed_url(create_database: Callable[[str | None], str], template: str) -> str:
    """A store with two sources, budgets in several time zones and four AI tenants."""
    url = create_database(template)
    database = Database(url, wait_seconds=30)
    database.open()
    feed(database, NOW.date())
    insert_calls(database, None)
    database.close()
    return url


def configured(folder: Path, url: str) -> Path:
    return configure(
        folder,
        as_url(url),
        {"name": "bill", "paths": [f"{folder}/bills/*"]},
        {"name": "late", "paths": [f"{folder}/bills/*.late"], "lag": "30h"},
        tags={"team": ["team"]},
        billing={"rates": {"EUR": [{"from": "2026-01-01", "usd": 1.1}]}},
    )


@pytest.fixture(scope="module")
def filled(fed_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with blocks of four days around the end of a month."""
    folder = tmp_path_factory.mktemp("filled")
    file, config = folder / "history.om", configured(folder, fed_url)
    labels = [f"--label={name}={value}" for name, value in MARKED.items()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "utc_now", lambda: NOW)
        done = invoke(
            *("backfill", "--config", config, "--since", SINCE, "--until", UNTIL),
            *("--output", file, *labels),
        )
    assert done.exit_code == 0, done.stderr
    assert "2026-09-30 00:00 to 2026-10-03 23:55 (UTC), every 5m: 1,152 points" in done.stdout
    create_blocks("openmetrics", file, folder / "prometheus")
    return folder


@pytest.fixture
def fed(fed_url: str) -> Iterator[Database]:
    """That store, for sums by plain SQL."""
    database = Database(fed_url, wait_seconds=30)
    database.open()
    yield database
    database.close()


@pytest.fixture
def config(fed_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(app, "utc_now", lambda: NOW)
    return configured(tmp_path, fed_url)


def create_blocks(*arguments: object) -> None:
    program = tool("prometheus", "promtool")
    command = [program, "tsdb", "create-blocks-from", "--max-block-duration=1536h", *arguments]
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def value(server: Prometheus, expression: str, moment: str) -> float:
    """The only value of an expression at a moment."""
    (one,) = server.query(expression, at(moment).timestamp())
    return float(one["value"][1])


def billed(database: Database, where: str, *values: object) -> float:
    """The exact sum of stored facts, by plain SQL."""
    with database.connection() as connection:
        row = connection.execute(
            "SELECT coalesce(sum(f.billed), 0) FROM cost_facts f JOIN cost_series s USING"
            f" (series_id) JOIN cost_groups g USING (group_id) WHERE {where}",
            values,
        ).fetchone()
    assert row is not None
    return float(row[0])


def used(database: Database, tenant: str, since: str, before: str) -> float:
    """What calls of a tenant cost, by plain SQL."""
    with database.connection() as connection:
        row = connection.execute(
            "SELECT sum(cost_usd) FROM ai_token_usage"
            " WHERE tenant_id = %s AND time >= %s AND time < %s",
            (tenant, since, before),
        ).fetchone()
    assert row is not None
    return float(row[0])


def test_a_real_prometheus_answers_what_sql_says(filled: Path, fed: Database) -> None:
    aws_days = "g.provider = 'aws' AND f.day >= %s AND f.day < %s"
    with prometheus(filled, None, options=[KEEP]) as server:
        for moment, since, before in (
            ("2026-09-30T12:02:03", "2026-09-01", "2026-09-30"),
            ("2026-10-01T09:59:59", "2026-09-01", "2026-10-01"),
            ("2026-10-02T00:00:00", "2026-10-01", "2026-10-02"),
            ("2026-10-03T23:58:00", "2026-10-01", "2026-10-03"),
        ):
            expected = pytest.approx(billed(fed, aws_days, since, before))
            assert value(server, "sum(aws_cost_monthly_usd)", moment) == expected
            team = 'sum(aws_cost_allocated_monthly_usd{tag="team"})'
            assert value(server, team, moment) == expected
            year = pytest.approx(billed(fed, aws_days, "2026-01-01", before))
            assert (
                value(server, f'sum(aws_cost_year_to_date_usd{{since="{FIRST}"}})', moment) == year
            )
        day = 'sum(aws_cost_daily_usd{day_offset="1"})'
        assert value(server, day, "2026-10-01T12:02:00") == pytest.approx(
            billed(fed, aws_days, "2026-09-30", "2026-10-01")
        )
        # The lag of the other source: at noon of the 1st, the 29th is its newest day.
        newest = 'finops_billing_data_newest_day_timestamp_seconds{provider="%s"}'
        assert value(server, newest % "gcp", "2026-10-01T05:00") == at("2026-09-28").timestamp()
        assert value(server, newest % "gcp", "2026-10-01T07:00") == at("2026-09-29").timestamp()
        # In Berlin October begins two hours before; its first UTC day is the 1st.
        ratio = 'cloud_budget_spent_usd{budget="berlin"} / cloud_budget_limit_usd'
        for moment, since, before in (
            ("2026-09-30T12:02:00", "2026-09-01", "2026-09-30"),
            ("2026-10-02T12:02:00", "2026-10-01", "2026-10-02"),
            ("2026-10-03T12:02:00", "2026-10-01", "2026-10-03"),
        ):
            where = "f.day >= %s AND f.day < %s AND s.tags ->> 'team' = 'data'"
            spent = billed(fed, where, since, before)
            assert value(server, ratio, moment) == pytest.approx(spent / 100)
        for moment, since in (
            ("2026-09-30T21:02:00", "2026-08-31 22:00Z"),
            ("2026-10-02T12:02:00", "2026-09-30 22:00Z"),
        ):
            tenant = 'ai_budget_used_usd{tenant_id="tenant-0",model="*"}'
            assert value(server, tenant, moment) == pytest.approx(
                used(fed, "tenant-0", since, f"{moment[:13]}:00Z")
            )
        # What ended is not counted beside what took its place, nor shown for ever.
        months = 'count(count by (month) ({__name__="aws_cost_monthly_usd"}))'
        minutes = [at("2026-10-01T23:50") + timedelta(minutes=n) for n in range(0, 20, 5)]
        found = [server.query(months, minute.timestamp()) for minute in minutes]
        assert [one[0]["value"][1] for one in found] == ["1", "1", "1", "1"]
        labels = server.query("finops_snapshot_timestamp_seconds", at("2026-10-01").timestamp())
        assert labels[0]["metric"] == {
            "__name__": "finops_snapshot_timestamp_seconds",
            **MARKED,
        }
        assert not server.query("aws_cost_today_usd", at("2026-10-01").timestamp())
        assert not server.query("ai_budget_reserved_usd", at("2026-10-01").timestamp())


def test_recordings_come_from_the_blocks(filled: Path, fed: Database) -> None:
    split = runpy.run_path(str(ROOT / "tools" / "rules_in_order.py"))["main"]
    split(filled / "ordered", FILES)
    levels = sorted((filled / "ordered").iterdir())
    assert len(levels) == 6
    for level in levels:
        with prometheus(filled, None, options=[KEEP]) as server:
            create_blocks(
                *("rules", f"--url=http://127.0.0.1:{server.port}", "--eval-interval=5m"),
                *("--start=2026-10-01T20:00:00Z", "--end=2026-10-02T04:00:00Z"),
                *(f"--output-dir={filled / 'prometheus'}", level),
            )
    with prometheus(filled, None, options=[KEEP]) as server:
        names = {name for name in server.names() if ":" in name}
        recorded = {rule.group for rule in RECORDINGS if rule.name in names}
        assert recorded >= OF_OURS
        assert {name.rpartition(":")[2] for name in names} >= {"sum", "max", "ratio", "p50"}
        aws = 'sum(provider_account_service:cloud_cost_monthly_usd:sum{provider="aws"})'
        where = "g.provider = 'aws' AND f.day >= %s AND f.day < %s"
        for moment, since, before in (
            ("2026-10-01T23:30:00", "2026-09-01", "2026-10-01"),
            ("2026-10-02T03:30:00", "2026-10-01", "2026-10-02"),
        ):
            expected = billed(fed, where, since, before)
            assert value(server, aws, moment) == pytest.approx(expected)
        ratio = 'tenant_model:ai_budget_used:ratio{tenant_id="tenant-1",model="*"}'
        calls = used(fed, "tenant-1", "2026-10-01 04:00Z", "2026-10-02 03:00Z")
        assert value(server, ratio, "2026-10-02T03:30:00") == pytest.approx(calls / 50)


def test_what_is_stored_bounds_what_is_written(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "utc_now", lambda: NOW)
    swap(database, [cost(f"2026-11-{day}", "1") for day in range(15, 22)])
    with database.connection() as connection:
        connection.execute(
            "INSERT INTO ai_token_usage (time, tenant_id, model, cost_usd)"
            " VALUES ('2026-11-18 00:11Z', 'acme', 'gpt-4o', 1)"
        )
    config = configure(tmp_path, as_url(database_url))
    done = invoke("backfill", "--config", config, "--dry-run", "--every", "6h")
    assert done.exit_code == 0, done.stderr
    # The first stored day is over on the 16th; the newest whole step of 12:34 is noon.
    assert "2026-11-16 00:00 to 2026-11-21 12:00 (UTC), every 6h: 23 points" in done.stdout
    assert "costs: from 2026-11-16 00:00 on" in done.stdout
    assert "AI budgets: from 2026-11-18 00:11 on" in done.stdout
    assert list(tmp_path.iterdir()) == [config]
    file = tmp_path / "file.om"
    again = invoke("backfill", "--config", config, "--every", "6h", "--output", file)
    size = done.stdout.splitlines()[1]
    assert again.stdout.splitlines()[1] == f"{size} in {file}"
    lines = file.read_text(encoding="utf-8").splitlines()
    samples = sum(not line.startswith("#") for line in lines)
    assert f" series, {samples:,} samples, " in size
    assert lines[-1] == "# EOF"
    early = invoke("backfill", "--config", config, "--dry-run", "--until", "2026-11-15")
    assert early.exit_code == 1
    assert "what is stored is known from 2026-11-16 00:00 on" in early.stderr


def test_families_are_folded_and_stay_exact(config: Path) -> None:
    arguments = ("--since", "2026-10-20", "--until", "2026-10-20", "--every", "1d")
    shown = {}
    for most in (12, 1000):
        done = invoke(
            "backfill", "--config", config, *arguments, "--max-series", most, "--output", "-"
        )
        assert "every 1d: 1 points" in done.stderr
        shown[most] = [
            line for line in done.stdout.splitlines() if line.startswith("aws_cost_monthly_usd{")
        ]
    assert len(shown[12]) == 4 < len(shown[1000])
    assert any('service="__other__"' in line for line in shown[12])
    expected = sum(row.billed for row in bills() if "2026-10-01" <= str(row.day) < "2026-10-20")
    for lines in shown.values():
        found = sum(Decimal(line.split()[-2]) for line in lines)
        assert float(found) == pytest.approx(float(expected))


def test_budgets_of_the_configuration_and_ai_that_is_off(config: Path) -> None:
    text = yaml.safe_load(config.read_text(encoding="utf-8"))
    text["ai"] = {"enabled": False}
    budget = {"name": "mine", "scope": "organization", "amount": 7, "period": "monthly"}
    config.write_text(yaml.safe_dump({**text, "budgets": [budget]}), encoding="utf-8")
    arguments = ("--since", "2026-10-20", "--until", "2026-10-20", "--every", "1d")
    done = invoke("backfill", "--config", config, *arguments, "--output", "-")
    assert 'budget="mine"' in done.stdout
    assert "ai_budget" not in done.stdout
    assert "AI budgets: nothing is stored" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "--output is needed"),
        (("--days", "0"), 2, "0 is not in the range 1<=x<=3660"),
        (("--days", "4000"), 2, "4000 is not in the range"),
        (("--days", "3", "--since", "2026-11-01", "--dry-run"), 2, "give one of them"),
        (("--every", "7m", "--dry-run"), 2, "--every: must divide an hour or a day"),
        (("--every", "1s", "--dry-run"), 2, "a minute or more"),
        (("--every", "five", "--dry-run"), 2, "must be a duration such as 90s, 15m"),
        (("--max-series", "0"), 2, "0 is not in the range"),
        (("--label", "job", "--dry-run"), 2, "must be NAME=VALUE"),
        (("--since", "2026-13-01"), 2, "must be a day such as 2026-01-31"),
        (("--until", "2026-11-22", "--dry-run"), 2, "--until 2026-11-22 is still to come"),
        (("--since", "2026-11-02", "--until", "2026-11-01", "--dry-run"), 2, "is after --until"),
        (("--output", "none/x.om"), 1, "cannot write none/x.om: No such file or directory"),
        (("--output", "."), 1, "it is no ordinary file"),
    ],
)
def test_wrong_usage_is_one_sentence(
    arguments: tuple[str, ...],
    *,
    code: int,
    message: str,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app, "utc_now", lambda: NOW)
    monkeypatch.chdir(tmp_path)
    config = configure(tmp_path, as_url(database_url))
    done = invoke("backfill", "--config", config, *arguments)
    assert (done.exit_code, done.stdout) == (code, "")
    assert message in done.stderr


def test_nothing_stored_is_said(database_url: str, empty_url: str, tmp_path: Path) -> None:
    file = tmp_path / "x.om"
    config = configure(tmp_path, as_url(database_url))
    for url in (database_url, empty_url):
        config = configure(tmp_path, as_url(url))
        done = invoke("backfill", "--config", config, "--output", file)
        assert (done.exit_code, done.stdout) == (1, "")
        assert "stored yet; run: finops-exporter collect --once --config FILE" in done.stderr
    assert list(tmp_path.iterdir()) == [config]


@pytest.fixture
def recent(database: Database, database_url: str, tmp_path: Path) -> Path:
    """Forty days until yesterday, for processes, which have a clock of their own."""
    rows = [cost(str(yesterday() - timedelta(days=back)), "1") for back in range(40)]
    swap(database, rows, covered_until={"aws": utc_midnight(yesterday() + timedelta(days=1))})
    return configure(tmp_path, as_url(database_url))


def test_what_is_cut_short_leaves_no_half_file(
    recent: Path, database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "x.om"
    file.write_text("before", encoding="utf-8")
    with (
        database.connection() as connection,
        connection.transaction(),
        started("backfill", "--config", recent, "--every", "1m", "--output", file) as process,
    ):
        # It cannot be done before it is ended: it waits for what it reads in the middle.
        connection.execute("LOCK TABLE cost_anomalies IN ACCESS EXCLUSIVE MODE")
        until(lambda: len(list(tmp_path.glob(".x.om.*"))) == 1, "it has begun")
        end(process, signal.SIGTERM)
        assert process.returncode == 128 + signal.SIGTERM
    assert file.read_text(encoding="utf-8") == "before"
    assert not list(tmp_path.glob(".x.om.*"))


def test_a_terminal_shows_how_far_it_is(recent: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.om"
    arguments = ("--since", yesterday(), "--until", yesterday(), "--every", "1h")
    code, seen = on_terminal("backfill", "--config", recent, *arguments, "--output", file)
    assert code == 0, seen
    assert "costs" in seen
    assert "every 1h: 24 points" in seen
    assert file.read_text(encoding="utf-8").endswith("# EOF\n")
