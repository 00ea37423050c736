"""`check-config`, `migrate`, `version`, and which database a command uses."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import psycopg
import pytest

from finops_exporter import __version__
from finops_exporter.store.migrate import migrations
from integration.bills import charge, write_bill
from integration.processes import as_url, configure, free_port, invoke, run

if TYPE_CHECKING:
    from pathlib import Path


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {name for (name,) in found}


def test_a_good_configuration_is_ok_without_any_database(tmp_path: Path) -> None:
    write_bill(tmp_path / "a.csv", charge("2026-11-01", "1"))
    size = write_bill(tmp_path / "b.csv", charge("2026-11-01", "1")).stat().st_size
    url = f"postgresql://someone:hunter2@127.0.0.1:{free_port()}/finops"
    source = {"name": "bill", "paths": [str(tmp_path / "*.csv")]}
    result = invoke("check-config", "--config", configure(tmp_path, url, source))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"bill: 2 parts ({2 * size} B)\nok: 1 sources\n"


def test_what_is_hardly_meant_is_warned_of(tmp_path: Path) -> None:
    result = invoke("check-config", "--config", configure(tmp_path, None))
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "warning: collectors: none is configured, so no cost will be read",
        "ok: 0 sources",
    ]


def test_a_pattern_without_files_is_left_out(tmp_path: Path) -> None:
    source = {"name": "bill", "paths": [str(tmp_path / "*.parquet")]}
    result = invoke("check-config", "--config", configure(tmp_path, None, source))
    assert result.exit_code == 3
    assert f"bill: {tmp_path}/*.parquet: no file matches" in result.stdout
    assert "ok" not in result.stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("collectors:\n  - type: focus\n    path: [a.csv]\n", ["3", "path", 'mean "paths"']),
        ("collectors:\n  - type: focus\n    paths: a.csv\n", ["3", "paths", "must be a list"]),
        ("collectors:\n  - type: focis\n    paths: [a.csv]\n", ["2", "type", "focus"]),
        ("server:\n  lisen: 0.0.0.0:1\n", ["2", "server.lisen", 'did you mean "listen"?']),
        ("sever: {}\n", ["1", "sever", 'did you mean "server"?']),
        ("server: {listen: [}\n", ["1", "", ""]),
    ],
)
def test_mistakes_are_named_by_line_and_key(tmp_path: Path, text: str, words: list[str]) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(text)
    result = invoke("check-config", "--config", config)
    assert (result.exit_code, result.stdout) == (2, "")
    line, *others = words
    assert f"{config}:{line}:" in result.stderr
    for word in others:
        assert word in result.stderr


def test_migrate_says_what_it_would_do_then_does_it_once(empty_url: str, tmp_path: Path) -> None:
    config = configure(tmp_path, as_url(empty_url))
    names = [migration.name for migration in migrations()]
    result = invoke("migrate", "--dry-run", "--config", config)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [f"would apply {name}" for name in names]
    assert tables(empty_url) == set()
    done = run("migrate", "--config", config)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"applied {name}" for name in names]
    assert "cost_facts" in tables(empty_url)
    for options in ([], ["--dry-run"]):
        again = invoke("migrate", "--config", config, *options)
        assert (again.exit_code, again.stdout) == (0, "the schema is up to date\n")


def test_the_version() -> None:
    done = run("version")
    assert done.returncode == 0
    assert done.stdout.startswith(f"finops-exporter {__version__} (Python 3.")
    assert invoke("--version").stdout == f"finops-exporter, version {__version__}\n"


def test_the_environments_database_beats_the_files(
    database_url: str, empty_url: str, tmp_path: Path
) -> None:
    bill = write_bill(tmp_path / "a.csv", charge("2026-11-01", "1.5"))
    config = configure(tmp_path, as_url(empty_url), {"paths": [str(bill)]})
    env = {"DATABASE_URL": as_url(database_url), "FINOPS_CONFIG": str(config)}
    result = invoke("collect", "--once", env=env)
    assert result.exit_code == 0, result.output
    assert tables(empty_url) == set()
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT billed FROM cost_facts").fetchall() == [(Decimal("1.5"),)]
    wrong = invoke("collect", "--once", env=env | {"DATABASE_URL": "mysql://me:hunter2@db/x"})
    assert wrong.exit_code == 2
    assert "DATABASE_URL" in wrong.stderr
    assert "hunter2" not in wrong.stderr
