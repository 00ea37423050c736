"""`doctor` on real databases: every kind of damage is told with its remedy, and mended."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from finops_exporter.ai_model import Terms
from finops_exporter.doctor.bookkeeping import Planned
from finops_exporter.doctor.examination import CHECKS, Expected, examine
from finops_exporter.errors import StoreError
from finops_exporter.exposition.families import Settings
from finops_exporter.model import Budget, ControlTotal
from finops_exporter.store import checks, runs
from finops_exporter.store.database import Database
from finops_exporter.store.ledger import Asked, decide
from finops_exporter.store.migrate import migrate, migrations
from integration.bills import charge, write_bill
from integration.feeding import NOW, cost, swap
from integration.ledgers import a_check, a_track
from integration.processes import as_url, configure, free_port, invoke

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from finops_exporter.doctor.findings import Finding

HOURLY = Planned(timedelta(hours=6), timedelta(hours=1))
CUT = "account,charge_category"
SETTINGS = Settings("billed", timedelta(days=5), ("team",), {}, lambda _currency, _on: Decimal(1))
REBUILD = "finops-exporter doctor --rebuild"


@pytest.fixture
def fed(database: Database) -> Database:
    """Two sources, two cuts, two currencies, a credit, a part that gives a total of its own."""
    rows = [
        cost("2026-10-31", "1.25", part="a"),
        cost("2026-11-01", "2", part="a"),
        cost("2026-11-01", "-0.5", part="a", charge_category="Credit"),
        cost("2026-11-01", "1.5", part="b", cut=CUT, service="__none__", region="__none__"),
        cost("2026-11-02", "7", part="c", currency="EUR"),
    ]
    total = ControlTotal("b", "aws", date(2026, 11, 1), "USD", Decimal("1.5"), Decimal("1.5"), CUT)
    swap(database, rows, controls=[total])
    swap(database, [cost("2026-11-01", "3", account_id="222")], source="other")
    return database


def look(
    database: Database, *sources: str, ahead: timedelta = timedelta(0), **others: Any
) -> list[Finding]:
    """The findings, by a clock that is `ahead` of the database's."""

    def clock() -> Any:
        with database.connection() as connection:
            return checks.server_clock(connection) + ahead

    planned = dict.fromkeys(sources or ("bill", "other"), HOURLY)
    others = {"settings": SETTINGS} | others
    return examine(database, Expected(planned, 4, clock, **others))


def only(findings: list[Finding], check: str, level: str = "problem") -> Finding:
    """The one thing that is not ok, which is of this check."""
    (one,) = [one for one in findings if one.level != "ok"]
    assert (one.check, one.level) == (check, level)
    return one


def execute(database: Database, statement: str) -> None:
    with database.connection() as connection:
        connection.execute(statement.encode())


def freshly_read(database: Database) -> None:
    """As if the runs had ended just now: `feeding.NOW` is long ago by the database's clock."""
    execute(database, "UPDATE source_runs SET started_at = now(), finished_at = now()")


def test_a_fed_store_is_well(fed: Database) -> None:
    freshly_read(fed)
    found = look(fed)
    assert {one.level for one in found} == {"ok"}
    assert tuple(dict.fromkeys(one.check for one in found)) == CHECKS
    text = " ".join(one.message for one in found)
    assert "sessions run in UTC" in text
    assert f"all {len(migrations())} applied" in text
    assert "cost_months equals the facts (6 rows)" in text
    assert "1 months in several cuts, equal totals in each" in text
    assert "1 totals of sources tie" in text


def test_an_empty_store_is_well_but_was_never_read(database: Database) -> None:
    one = only(look(database, "bill"), "sources", "warning")
    assert one.message == "bill: was never read"
    assert one.remedy == "finops-exporter collect --once --source bill"


def snapshot(database: Database) -> dict[str, list[Any]]:
    """The rows of all rollups."""
    with database.connection() as connection:
        return {
            one.table: connection.execute(
                sql.SQL("SELECT t::text FROM {} t ORDER BY 1").format(sql.Identifier(one.table))
            ).fetchall()
            for one in checks.ROLLUPS
        }


ONE_ROW = "r.ctid = (SELECT ctid FROM {table} ORDER BY {keys} LIMIT 1)"
DAMAGES = {
    "1 with other sums": f"UPDATE {{table}} r SET facts = facts + 1 WHERE {ONE_ROW}",
    "1 missing": f"DELETE FROM {{table}} r WHERE {ONE_ROW}",
    "1 without facts": (
        "INSERT INTO {table} SELECT (jsonb_populate_record(r, jsonb_build_object("
        f"'{{time}}', r.{{time}} + 400))).* FROM {{table}} r WHERE {ONE_ROW}"
    ),
}


@pytest.mark.parametrize("rollup", checks.ROLLUPS, ids=lambda one: one.table)
@pytest.mark.parametrize("told", DAMAGES)
def test_a_damaged_rollup_is_told_and_mended_exactly(
    fed: Database, rollup: checks.Rollup, told: str
) -> None:
    freshly_read(fed)
    right = snapshot(fed)
    words = {"table": rollup.table, "keys": ", ".join(rollup.keys), "time": rollup.time}
    execute(fed, DAMAGES[told].format(**words))
    one = only(look(fed), "rollups")
    assert one.message.startswith(f"{rollup.table}: 1 rows differ from the facts ({told}): ")
    assert one.remedy == REBUILD
    assert snapshot(fed) != right
    done = {one.table: (one.removed, one.written) for one in checks.rebuild(fed, NOW)}
    wrong = {"1 with other sums": (1, 1), "1 missing": (0, 1), "1 without facts": (1, 0)}
    assert done == {**dict.fromkeys(done, (0, 0)), rollup.table: wrong[told]}
    assert snapshot(fed) == right
    assert {one.level for one in look(fed)} == {"ok"}


def test_the_smallest_amount_counts(fed: Database) -> None:
    freshly_read(fed)
    execute(fed, "UPDATE cost_days SET effective = effective + 1e-28 WHERE day = '2026-11-02'")
    assert "cost_days: 1 rows differ" in only(look(fed), "rollups").message


def test_a_rebuild_of_what_is_right_changes_nothing_at_all(fed: Database) -> None:
    with checks.reading(fed) as connection:
        before = checks.ahead(connection, NOW, NOW.date(), timedelta(0)).generation
    assert {(one.removed, one.written) for one in checks.rebuild(fed, NOW)} == {(0, 0)}
    with checks.reading(fed) as connection:
        assert checks.ahead(connection, NOW, NOW.date(), timedelta(0)).generation == before
    execute(fed, "DELETE FROM cost_months")
    checks.rebuild(fed, NOW)
    with checks.reading(fed) as connection:
        after = checks.ahead(connection, NOW, NOW.date(), timedelta(0))
    assert (after.generation, after.changed_at) == (before + 1, NOW)


def test_quick_looks_at_the_newest_two_months(fed: Database) -> None:
    swap(fed, [cost("2026-08-01", "1")], source="old")
    freshly_read(fed)
    execute(fed, "UPDATE cost_months SET billed = billed + 1 WHERE month = '2026-08-01'")
    names = ("bill", "other", "old")
    assert {one.level for one in look(fed, *names, quick=True)} == {"ok"}
    assert "): 2026-08-01 " in only(look(fed, *names), "rollups").message
    execute(fed, "UPDATE cost_months SET billed = billed + 1 WHERE month = '2026-10-01'")
    assert "cost_months: 1 rows differ" in only(look(fed, *names, quick=True), "rollups").message


def test_nothing_can_be_changed_while_reading(database: Database) -> None:
    with pytest.raises(StoreError, match="read-only transaction"), checks.reading(database) as one:
        one.execute("UPDATE store_state SET generation = 7")


# The schema


def test_a_tampered_migration(fed: Database) -> None:
    execute(fed, "UPDATE schema_migrations SET checksum = repeat('0', 64) WHERE version = 1")
    found = look(fed)
    (one,) = [one for one in found if one.level == "problem"]
    name = migrations()[0].name
    assert one.check == "migrations"
    assert one.message == f"{name} was applied with another content (checksum 000000000000)"
    assert "backup" in str(one.remedy)
    left = {one.check: one.message for one in found if one.level == "not checked"}
    after = CHECKS[CHECKS.index("migrations") + 1 :]
    assert left == dict.fromkeys(after, "the check of the migrations found a problem")


def test_a_migration_from_the_future(fed: Database) -> None:
    execute(fed, "INSERT INTO schema_migrations VALUES (9999, '9999_later.sql', 'x')")
    (one,) = [one for one in look(fed) if one.level == "problem"]
    assert one.message == "9999_later.sql is of a newer version than this one"
    assert "upgrade" in str(one.remedy)


def test_missing_migrations(empty_url: str) -> None:
    with opened(empty_url) as database:
        migrate(database, migrations()[:1])
        (one,) = [one for one in look(database) if one.level == "problem"]
    names = ", ".join(one.name for one in migrations()[1:])
    assert (one.check, one.message) == ("migrations", f"not applied yet: {names}")
    assert one.remedy == "finops-exporter migrate"


def test_a_table_that_is_gone(fed: Database) -> None:
    execute(fed, "DROP TABLE cost_notices")
    (one,) = [one for one in look(fed) if one.level == "problem"]
    assert one.check == "permissions"
    assert one.message.endswith("applied: cost_notices")


# Privileges, with a role of its own


@pytest.fixture
def role(admin: psycopg.Connection, database_url: str, fed: Database) -> Iterator[str]:
    """The name of a role that may do all that the exporter needs, and nothing else."""
    del fed
    name = f"{conninfo_to_dict(database_url)['dbname']}_Role"
    quoted = sql.Identifier(name)
    admin.execute(sql.SQL("CREATE ROLE {}").format(quoted))
    with psycopg.connect(database_url, autocommit=True) as connection:
        for statement in (
            "GRANT USAGE ON SCHEMA public TO {}",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {}",
        ):
            connection.execute(sql.SQL(statement).format(quoted))
    yield name
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP OWNED BY {}").format(quoted))
    admin.execute(sql.SQL("DROP ROLE {}").format(quoted))


@pytest.fixture
def restricted(database_url: str, role: str) -> Iterator[Database]:
    """The fed store as this role sees it."""
    with opened(database_url, role=role) as database:
        yield database


@contextmanager
def opened(url: str, **options: str) -> Iterator[Database]:
    """The database with settings of the session, such as another role."""
    given = " ".join(f"-c {name}={text}" for name, text in options.items())
    database = Database(make_conninfo(url, options=given), wait_seconds=30)
    database.open()
    try:
        yield database
    finally:
        database.close()


def test_a_role_with_just_what_is_needed_is_well(
    fed: Database, restricted: Database, role: str
) -> None:
    freshly_read(fed)
    found = look(restricted)
    assert {one.level for one in found} == {"ok"}
    assert f'"{role}" may use public and write all ' in " ".join(one.message for one in found)
    swap(restricted, [cost("2026-11-03", "1")], source="bill")


@pytest.mark.parametrize(
    "texts",
    [
        (
            "DELETE, INSERT ON cost_facts, cost_days",
            "{role} may not INSERT, DELETE cost_days, cost_facts",
            "GRANT INSERT, DELETE ON public.cost_days, public.cost_facts TO {role};",
        ),
        (
            "SELECT ON schema_migrations",
            "{role} may not SELECT schema_migrations",
            "GRANT SELECT ON public.schema_migrations TO {role};",
        ),
        (
            "USAGE ON SCHEMA public",
            "{role} lacks USAGE on the schema public",
            "GRANT USAGE ON SCHEMA public TO {role};",
        ),
        (
            "TEMPORARY ON DATABASE {database}",
            "{role} may not make temporary tables in {database}, where bills are staged",
            "GRANT TEMPORARY ON DATABASE {database} TO {role};",
        ),
    ],
)
def test_a_revoked_privilege_is_named_and_its_remedy_mends_it(
    fed: Database, restricted: Database, role: str, texts: tuple[str, str, str]
) -> None:
    freshly_read(fed)
    with fed.connection() as connection:
        (name,) = connection.execute("SELECT quote_ident(current_database())").fetchone() or ("",)
    words = {"role": f'"{role}"', "database": name}
    revoked, message, remedy = (text.format(**words) for text in texts)
    # What everybody may do, nobody can be forbidden on its own.
    execute(fed, f"REVOKE {revoked} FROM PUBLIC, {words['role']}")
    problems = [one for one in look(restricted) if one.level == "problem"]
    assert [(one.check, one.message, one.remedy) for one in problems] == [
        ("permissions", message, remedy)
    ]
    execute(fed, str(problems[0].remedy))
    assert {one.level for one in look(restricted)} == {"ok"}


def test_an_empty_database_needs_more(empty_url: str, admin: psycopg.Connection) -> None:
    name = f"{conninfo_to_dict(empty_url)['dbname']}_role"
    admin.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(name)))
    with psycopg.connect(empty_url, autocommit=True) as connection:
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    with opened(empty_url, role=name) as database:
        found = {one.message: one.remedy for one in look(database) if one.level == "problem"}
    admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
    assert found == {
        f"{name} lacks CREATE on the schema public": f"GRANT CREATE ON SCHEMA public TO {name};",
        "the database has no schema of ours yet": "finops-exporter migrate",
    }


# The server, the clock


def test_a_server_that_takes_no_writes_by_default(fed: Database, database_url: str) -> None:
    freshly_read(fed)
    with opened(database_url, default_transaction_read_only="on") as database:
        one = only(look(database), "database")
    assert "read-only by default" in one.message
    assert str(one.remedy).endswith("SET default_transaction_read_only = off;")


def test_a_timeout_is_told_and_does_not_cut_the_checks_off(
    fed: Database, database_url: str
) -> None:
    freshly_read(fed)
    with opened(database_url, statement_timeout="1500") as database:
        one = only(look(database), "database", "warning")
    assert one.message.startswith("statement_timeout is 1.5 s")


def test_too_few_connections_for_the_pool(fed: Database) -> None:
    freshly_read(fed)
    with fed.connection() as connection:
        (name,) = connection.execute("SELECT quote_ident(current_database())").fetchone() or ("",)
    execute(fed, f"ALTER DATABASE {name} CONNECTION LIMIT 3")
    one = only(look(fed), "database")
    assert "database.pool_size is 4, but" in one.message
    assert "set database.pool_size to 3 or less" in str(one.remedy)


@pytest.mark.parametrize(
    ("seconds", "level", "words"),
    [
        (3, "ok", "3.0 s apart"),
        (-30, "warning", "30 s ahead of ours"),
        (90, "problem", "90 s behind"),
    ],
)
def test_a_wrong_clock(fed: Database, seconds: int, level: str, words: str) -> None:
    freshly_read(fed)
    found = look(fed, ahead=timedelta(seconds=seconds))
    (one,) = [one for one in found if one.check == "clock"]
    assert one.level == level
    assert words in one.message


def test_what_is_dated_in_the_future(fed: Database) -> None:
    freshly_read(fed)
    swap(fed, [cost("2999-01-01", "1"), cost("2999-01-02", "1")])
    execute(fed, "UPDATE source_runs SET started_at = now() + interval '1 hour' WHERE run_id = 1")
    told = [one.message for one in look(fed) if one.check == "clock"]
    assert told == [
        "1 runs began in the future, by our clock",
        "2 stored days lie in the future, up to 2999-01-02",
    ]


# What sources say


def test_cuts_that_do_not_add_up_to_the_same(fed: Database) -> None:
    other = cost("2026-11-01", "1.75", part="b", cut=CUT, service="__none__", region="__none__")
    swap(fed, [other])
    freshly_read(fed)
    one = only(look(fed), "cuts", "warning")
    assert one.message == (
        "bill: aws 2026-11 is billed 1.5 USD by account,charge_category,region,service,tags, but "
        f"1.75 by {CUT}"
    )
    assert one.remedy == (
        "finops-exporter collect --once --source bill --since 2026-11-01 --until 2026-11-30"
    )


def test_a_total_of_the_source_that_does_not_tie(fed: Database) -> None:
    freshly_read(fed)
    execute(fed, "UPDATE cost_controls SET billed = billed - 0.25")
    one = only(look(fed), "reconciliation", "warning")
    assert one.message == (
        f"bill: its own total of aws 2026-11 is 0.25 USD less than what is stored (by {CUT})"
    )


def test_how_sources_do(fed: Database) -> None:
    with fed.connection() as connection:
        run_id = runs.start(connection, "broken", None, NOW)
        runs.finish(connection, run_id, runs.RunResult("failed", error="no such bucket"), NOW)
        runs.start(connection, "hanging", None, NOW)
    execute(fed, "INSERT INTO api_spending VALUES ('bill', current_date, 1, 1)")
    execute(
        fed,
        "INSERT INTO source_runs (source, started_at, finished_at, outcome)"
        " SELECT 'other', now(), now(), unnest(ARRAY['killed', 'succeeded'])",
    )
    execute(fed, "UPDATE source_runs SET finished_at = now() WHERE source = 'bill'")
    began = "2026-11-21 12:00 UTC"
    found = look(fed, "bill", "broken", "hanging", "new")
    assert [(one.check, one.level, one.message) for one in found if one.level != "ok"] == [
        ("sources", "warning", "bill: today's cap of $1 is used up"),
        (
            "sources",
            "problem",
            "broken: fails, and nothing was ever stored: no such bucket",
        ),
        ("sources", "warning", "new: was never read"),
        (
            "sources",
            "warning",
            "other: is configured no more, but its costs are stored and count",
        ),
        ("runs", "warning", f"hanging: 1 runs stand as running since {began}, longer than it may"),
    ]
    found = look(fed, "bill", "broken", "hanging", "new", "other")
    assert "other: 1 runs of the last 7 days were killed half-way" in {one.message for one in found}


# The command


def test_the_command_says_ok_and_ends_with_0(database_url: str, tmp_path: Path) -> None:
    bill = write_bill(tmp_path / "a.csv", charge("2026-11-01", "1"), charge("2026-11-02", "-2"))
    source = {"name": "bill", "paths": [str(bill)]}
    config = configure(tmp_path, as_url(database_url), source)
    assert invoke("collect", "--once", "--config", config).exit_code == 0
    result = invoke("doctor", "--config", config)
    assert (result.exit_code, result.stderr) == (0, "")
    levels = {line.split()[0] for line in result.stdout.splitlines()}
    assert levels == {"ok"}
    assert "ok           configuration   sources: bill\n" in result.stdout
    assert invoke("doctor", "--quick", "--config", config).exit_code == 0
    document = json.loads(invoke("doctor", "--format", "json", "--config", config).stdout)
    assert [one["check"] for one in document["findings"]][:2] == ["configuration", "database"]
    with psycopg.connect(database_url) as connection:
        connection.execute("DELETE FROM cost_months")
    broken = invoke("doctor", "--config", config)
    assert broken.exit_code == 1
    assert f"remedy: {REBUILD}\n" in broken.stdout
    mended = invoke("doctor", "--rebuild", "--config", config)
    assert mended.exit_code == 0
    assert "cost_months: 0 wrong rows removed, 1 written\n" in mended.stdout
    assert invoke("doctor", "--config", config).exit_code == 0


def test_rebuilding_goes_alone(tmp_path: Path) -> None:
    config = configure(tmp_path, None)
    for options in (["--quick"], ["--format", "json"]):
        assert invoke("doctor", "--rebuild", *options, "--config", config).exit_code == 2


def lines_of(config: Path) -> dict[str, tuple[str, str]]:
    """(level, message) of each check of a configuration that has a problem."""
    result = invoke("doctor", "--format", "json", "--config", config)
    assert (result.exit_code, result.stderr) == (1, "")
    findings = json.loads(result.stdout)["findings"]
    return {one["check"]: (one["level"], one["message"]) for one in findings}


def test_a_dead_server_is_one_line(tmp_path: Path) -> None:
    url = f"postgresql://me:hunter2@127.0.0.1:{free_port()}/finops"
    found = lines_of(configure(tmp_path, url, {"name": "bill", "paths": ["a.csv"]}))
    level, message = found.pop("database")
    assert level == "problem"
    assert "is unreachable" in message
    assert "hunter2" not in message
    assert found.pop("configuration") == ("ok", "sources: bill")
    assert set(found.values()) == {("not checked", "the check of the database found a problem")}
    assert set(found) == {*CHECKS} - {"database"}


def test_an_empty_database_is_one_line(empty_url: str, tmp_path: Path) -> None:
    found = lines_of(configure(tmp_path, as_url(empty_url)))
    assert found["configuration"][0] == "warning"
    assert found["database"][0] == "ok"
    assert found["migrations"] == ("problem", "the database has no schema of ours yet")
    assert found["rollups"] == ("not checked", "the check of the migrations found a problem")


def test_no_embedded_server_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    found = lines_of(configure(tmp_path, None, database={"data_dir": str(folder)}))
    assert found["database"] == ("problem", f"there is no embedded database in {folder} yet")
    assert not folder.exists()


def test_wrong_options_of_a_source_do_not_hide_the_database(
    database_url: str, tmp_path: Path
) -> None:
    config = configure(tmp_path, as_url(database_url), {"name": "bill", "path": ["a.csv"]})
    found = lines_of(config)
    assert found["configuration"][0] == "problem"
    assert found["rollups"][0] == "ok"


def test_a_budget_that_cannot_be_told(fed: Database) -> None:
    freshly_read(fed)
    wrong = Budget("web", "service", "EC3", Decimal(5), "monthly")
    one = only(look(fed, budgets=[wrong]), "budgets", "warning")
    assert one.message.startswith("web: no cost of this scope is stored since ")
    assert one.remedy == "see what there is: finops-exporter costs --by service"


def of_the_ledger(findings: list[Finding]) -> tuple[str, str]:
    (one,) = [one for one in findings if one.check == "ai_ledger"]
    return one.level, one.message


def test_the_sums_of_ai_budgets_are_held_against_their_calls(database: Database) -> None:
    with database.connection() as connection:
        held = [Asked("check", a_check(usd)) for usd in ("0.5", "0.25")]
        decide(connection, held, Terms())
        decide(connection, [Asked("track", a_track(a_check("1")))], Terms())
    fine = ("ok", "2 sums equal those of their calls")
    assert of_the_ledger(look(database)) == fine
    level, message = of_the_ledger(look(database, quick=True))
    assert (level, message[: len(fine[1])]) == fine
    execute(database, "UPDATE budget_period SET spent_usd = 2 WHERE model = '*'")
    level, message = of_the_ledger(look(database))
    assert level == "problem"
    assert message.startswith("1 of 2 sums differ from those of their calls: acme * ")
    execute(database, "DELETE FROM ai_reservations")
    assert of_the_ledger(look(database))[1].startswith("2 of 2 sums differ")
    # Where calls are deleted after a day, nothing of this month can be said.
    level, message = of_the_ledger(look(database, calls_kept=timedelta(days=1)))
    assert (level, message[:7]) == ("ok", "0 sums ")
