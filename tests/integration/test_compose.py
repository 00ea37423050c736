"""What compose.yaml starts its services with, on a real PostgreSQL, Prometheus and Alertmanager."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from compose_files import mounts, options, services
from doubles.receivers import Receivers
from finops_exporter.store.database import Database
from finops_exporter.store.embedded import ROOT_HOME, EmbeddedPostgres
from finops_exporter.store.migrate import migrate
from integration.alerting import alert, alertmanager, amtool
from integration.processes import as_url, run, until
from shared import ROOT, tool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from doubles.receivers import Told

ROLES = ("finops", "grafana")
READ = ("ai_token_usage", "ai_token_budgets", "budget_period")


def as_mounted(service: str, folder: Path) -> None:
    """What of the repository a service is given, below `folder`."""
    for mount in mounts(services()[service]):
        source, target = ROOT / mount.source, folder / mount.target.removeprefix("/")
        if not mount.is_named and source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)


# The database


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A folder that the server's user can enter, with the passwords of both roles."""
    folder = Path(ROOT_HOME if os.geteuid() == 0 else ROOT / ".cache")
    home = folder / f"compose-{uuid.uuid4().hex[:8]}"
    home.mkdir(parents=True)
    home.chmod(0o755)
    (home / "exporter_password").write_text("of'the exporter\n")
    (home / "grafana_role_password").write_text("of-grafana\n")
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[str]:
    """A superuser's URL of a server that has none of our roles."""
    server = EmbeddedPostgres(home / "data")
    yield server.start()
    server.stop()


@pytest.fixture(scope="module")
def initialized(server: str, home: Path) -> str:
    """The same once the image has run our scripts, in their order."""
    scripts = [one for one in mounts(services()["timescaledb"]) if "initdb.d" in one.target]
    with psycopg.connect(server, autocommit=True) as connection:
        for one in sorted(scripts, key=lambda one: one.target):
            text = (ROOT / one.source).read_text().replace("/run/secrets/", f"{home}/")
            connection.execute(text.encode())
    return server


@pytest.fixture(scope="module")
def migrated(initialized: str) -> str:
    """The same once the exporter has made its tables, as its own role."""
    database = Database(make_conninfo(initialized, user="finops"))
    database.open()
    migrate(database)
    database.close()
    return initialized


@pytest.fixture
def grafana(migrated: str) -> Iterator[psycopg.Connection]:
    """Grafana's connection, which tries to write all the same."""
    with psycopg.connect(make_conninfo(migrated, user="grafana"), autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        yield connection


def test_both_roles_have_the_passwords_of_the_secrets_and_no_power(migrated: str) -> None:
    with psycopg.connect(migrated) as connection:
        found = connection.execute(
            "SELECT rolname, rolpassword, rolcanlogin, rolsuper OR rolcreatedb OR rolcreaterole"
            " OR rolreplication OR rolbypassrls FROM pg_authid WHERE rolname = ANY (%s)"
            " ORDER BY rolname",
            [list(ROLES)],
        ).fetchall()
        assert [(name, login, power) for name, _, login, power in found] == [
            ("finops", True, False),
            ("grafana", True, False),
        ]
        assert all(str(password).startswith("SCRAM-SHA-256$") for _, password, *_ in found)
        owner = connection.execute(
            "SELECT datdba::regrole::text FROM pg_database WHERE datname = current_database()"
        )
        assert owner.fetchone() == ("finops",)


@pytest.mark.parametrize(
    ("role", "password", "enters"),
    [
        ("finops", "of'the exporter", True),
        ("grafana", "of-grafana", True),
        ("finops", "of-grafana", False),
        ("grafana", "", False),
    ],
)
def test_a_password_opens_as_it_stands_in_its_file(
    with_passwords: str, role: str, password: str, *, enters: bool
) -> None:
    given = make_conninfo(with_passwords, user=role, password=password or "another")
    if enters:
        psycopg.connect(given).close()
        return
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(given)


@pytest.fixture
def with_passwords(initialized: str, home: Path) -> Iterator[str]:
    """The server, asking both roles for their passwords."""
    file = home / "data" / "pg_hba.conf"
    before = file.read_text()
    file.write_text("".join(f"local all {role} scram-sha-256\n" for role in ROLES) + before)
    with psycopg.connect(initialized, autocommit=True) as connection:
        connection.execute("SELECT pg_reload_conf()")
        until(lambda: _asks_for_passwords(connection), "the server asks for passwords")
    yield initialized
    file.write_text(before)
    with psycopg.connect(initialized, autocommit=True) as connection:
        connection.execute("SELECT pg_reload_conf()")


def _asks_for_passwords(connection: psycopg.Connection) -> bool:
    url = make_conninfo(connection.info.dsn, user="grafana", password="")
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return True
    return False


def test_grafana_reads_three_tables_and_no_other(
    migrated: str, grafana: psycopg.Connection
) -> None:
    with psycopg.connect(migrated) as connection:
        tables = {
            name
            for (name,) in connection.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
                " AND relkind IN ('r', 'v', 'm', 'p', 'S')"
            )
        }
    assert {"ai_api_tokens", "cost_facts", *READ} <= tables
    readable = set()
    for name in tables:
        try:
            grafana.execute(sql.SQL("SELECT * FROM {} LIMIT 1").format(sql.Identifier(name)))
        except psycopg.errors.InsufficientPrivilege:
            continue
        readable.add(name)
    assert readable == set(READ)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO ai_token_budgets (tenant_id, monthly_limit_usd) VALUES ('mine', 1e9)",
        "UPDATE ai_token_budgets SET monthly_limit_usd = 1e9",
        "DELETE FROM budget_period",
        "TRUNCATE ai_token_usage",
        "SELECT secret_sha256 FROM ai_api_tokens",
        "CREATE TABLE mine ()",
        "SELECT pg_read_file('/etc/hostname')",
        "COPY ai_token_usage TO PROGRAM 'true'",
        "ALTER TABLE ai_token_usage DISABLE TRIGGER ALL",
    ],
)
def test_grafana_may_do_nothing_else(grafana: psycopg.Connection, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        grafana.execute(statement.encode())


def test_grafanas_statements_end_and_write_nothing_unasked(migrated: str) -> None:
    with psycopg.connect(make_conninfo(migrated, user="grafana")) as connection:
        shown = {
            name: str(connection.execute(f"SHOW {name}".encode()).fetchone()[0])  # type: ignore[index]
            for name in (
                "statement_timeout",
                "idle_in_transaction_session_timeout",
                "default_transaction_read_only",
            )
        }
    assert shown == {
        "statement_timeout": "30s",
        "idle_in_transaction_session_timeout": "1min",
        "default_transaction_read_only": "on",
    }


def test_a_table_that_comes_later_stays_closed_and_ours_opens_when_made_anew(
    initialized: str, grafana: psycopg.Connection
) -> None:
    with psycopg.connect(make_conninfo(initialized, user="finops"), autocommit=True) as exporter:
        exporter.execute("CREATE TABLE later (secret text)")
        exporter.execute("CREATE SCHEMA elsewhere")
        exporter.execute("CREATE TABLE elsewhere.budget_period (secret text)")
        for name in ("later", "elsewhere.budget_period"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                grafana.execute(f"SELECT * FROM {name}".encode())
        exporter.execute("DROP TABLE later")
        exporter.execute("DROP SCHEMA elsewhere CASCADE")


def test_the_role_may_be_made_after_the_tables_and_once_more(
    database_url: str, admin: psycopg.Connection
) -> None:
    """In a database that the exporter already uses, by whoever reads dashboards/README.md."""
    text = (ROOT / "dashboards/grafana-role.sql").read_text()
    # Roles belong to the server, which other tests use as well.
    role = f"grafana_{uuid.uuid4().hex[:8]}"
    text = text.replace("'grafana'", f"'{role}'").replace(" grafana ", f" {role} ")
    text = text.replace(" grafana;", f" {role};").replace(" grafana'", f" {role}'")
    try:
        with psycopg.connect(database_url, autocommit=True) as connection:
            for _ in range(2):
                connection.execute(text.encode())
            granted = connection.execute(
                "SELECT table_name, privilege_type FROM information_schema.table_privileges"
                " WHERE grantee = %s ORDER BY 1",
                [role],
            )
            assert granted.fetchall() == [(name, "SELECT") for name in sorted(READ)]
            connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
    finally:
        admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


def test_the_demo_fills_that_database_as_the_exporters_role(migrated: str, home: Path) -> None:
    file = home / "database_url"
    file.write_text(as_url(make_conninfo(migrated, user="finops")) + "\n")
    folder = home / "demo"
    given = ("--folder", folder, "--database-url-file", file)
    done = run("demo", *given, "--ai.listen-address", "0.0.0.0:3010")
    assert done.returncode == 0, done.stderr
    assert "demo: succeeded; 42 parts read" in done.stdout
    assert not (folder / "postgres").exists()
    with psycopg.connect(make_conninfo(migrated, user="grafana")) as connection:
        for name in READ:
            rows = connection.execute(sql.SQL("SELECT FROM {}").format(sql.Identifier(name)))
            assert rows.rowcount > 0, name


def test_the_demo_leaves_a_database_alone_that_has_other_bills(
    database_url: str, tmp_path: Path
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO source_runs (source, started_at, finished_at, outcome)"
            " VALUES ('bill', now(), now(), 'succeeded')"
        )
    (tmp_path / "url").write_text(as_url(database_url))
    done = run("demo", "--folder", tmp_path, "--database-url-file", tmp_path / "url")
    assert done.returncode == 1
    assert "has bills already (of bill); the demo needs one of its own" in done.stderr
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT FROM cost_parts").rowcount == 0


def test_the_demo_leaves_a_ledger_alone_that_was_there_before(
    database_url: str, tmp_path: Path
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO ai_token_budgets (tenant_id, monthly_limit_usd) VALUES ('real', 10)"
        )
    (tmp_path / "url").write_text(as_url(database_url))
    done = run("demo", "--folder", tmp_path, "--database-url-file", tmp_path / "url")
    assert done.returncode == 1
    assert "has AI tenants already (of real); the demo needs one of its own" in done.stderr
    with psycopg.connect(database_url) as connection:
        for name in ("cost_parts", "ai_token_usage", "ai_api_tokens"):
            assert connection.execute(f"SELECT FROM {name}".encode()).rowcount == 0


# Prometheus and Alertmanager


def test_promtool_has_nothing_to_say_about_the_configuration(tmp_path: Path) -> None:
    as_mounted("prometheus", tmp_path)
    config = options(services()["prometheus"])["--config.file"]
    done = subprocess.run(
        [tool("prometheus", "promtool"), "check", "config", tmp_path / config.removeprefix("/")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    files = len(list((ROOT / "rules").glob("*.yaml")))
    assert f"SUCCESS: {files} rule files found" in done.stdout


def test_amtool_has_nothing_to_say_about_what_is_mounted(tmp_path: Path) -> None:
    as_mounted("alertmanager", tmp_path)
    config = options(services()["alertmanager"])["--config.file"]
    done = amtool("check-config", tmp_path / config.removeprefix("/"))
    assert (done.returncode, done.stderr) == (0, "")
    assert " - 1 templates\n  SUCCESS\n" in done.stdout


def test_without_its_secrets_alertmanager_tells_nobody(tmp_path: Path) -> None:
    """As on the first start: `compose/secrets/alertmanager` is empty."""
    told: list[Told] = []
    with Receivers(told.append) as receivers, alertmanager(tmp_path, receivers) as manager:
        shutil.rmtree(tmp_path / "secrets")
        manager.post(
            alert({"alertname": "Any", "severity": "critical", "escalate": "leadership"}),
            alert({"alertname": "FinOpsWatchdog", "severity": "none"}),
        )

        def all_failed() -> bool:
            lines = metrics(manager.port)
            return {kind for kind in KINDS if failures(lines, kind)} == KINDS

        until(all_failed, "none of them could be told", 60)
        assert (told, receivers.switch.pings) == ([], [])


KINDS = {"email", "pagerduty", "slack", "webhook"}


def failures(lines: list[str], kind: str) -> float:
    """How often it was tried in vain to tell a kind of receivers."""
    name = f'alertmanager_notification_requests_failed_total{{integration="{kind}"}} '
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))


def metrics(port: int) -> list[str]:
    """Alertmanager's own, as lines."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return str(answer.read().decode()).splitlines()
