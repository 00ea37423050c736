"""What `collect` does to the store and says about it; the other commands' words and exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from exporter_commands import all_commands
from integration.bills import charge, write_bill
from integration.processes import (
    COMMAND,
    as_url,
    configure,
    end,
    environment,
    free_port,
    invoke,
    on_terminal,
    run,
    session_of,
    started,
    stop_reader,
    until,
    until_alone,
)

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = sorted(all_commands())


@pytest.fixture
def config(database_url: str, tmp_path: Path) -> Path:
    """A source `bill` of all CSV files in the folder, and an empty store."""
    source = {"name": "bill", "paths": [str(tmp_path / "*.csv")]}
    return configure(tmp_path, as_url(database_url), source)


def total(url: str) -> Decimal:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT coalesce(sum(billed), 0) FROM cost_facts").fetchone()
    assert row is not None
    return Decimal(row[0])


def contents(url: str) -> dict[str, list[Any]]:
    """Every row of every table of the database."""
    with psycopg.connect(url) as connection:
        names = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        return {
            name: connection.execute(
                sql.SQL("SELECT t::text FROM {} t ORDER BY 1").format(sql.Identifier(name))
            ).fetchall()
            for (name,) in names
        }


def collect(config: Path, *options: str, code: int = 0) -> str:
    result = invoke("collect", "--once", "--config", config, *options)
    assert result.exit_code == code, result.output
    return result.stdout.strip()


def test_only_what_changed_is_read_again(config: Path, database_url: str) -> None:
    first, second = config.parent / "a.csv", config.parent / "b.csv"
    write_bill(first, charge("2026-11-01", "1.25"))
    write_bill(second, charge("2026-11-01", "2"), charge("2026-11-02", "0.5"))
    said = collect(config)
    assert said.startswith("bill: succeeded; 2 parts read, 0 unchanged, 0 withdrawn; 3 facts")
    assert total(database_url) == Decimal("3.75")
    said = collect(config)
    assert said.startswith("bill: succeeded; 0 parts read, 2 unchanged, 0 withdrawn; 0 facts")
    write_bill(second, charge("2026-11-01", "2.5"), charge("2026-11-02", "0.5"))
    said = collect(config)
    assert said.startswith("bill: succeeded; 1 parts read, 1 unchanged, 0 withdrawn; 1 facts")
    assert said.endswith("1 account-days restated")
    assert total(database_url) == Decimal("4.25")
    first.unlink()
    said = collect(config)
    assert said.startswith("bill: succeeded; 0 parts read, 1 unchanged, 1 withdrawn")
    assert total(database_url) == 3


def test_a_dry_run_prints_the_plan_and_changes_nothing(config: Path, database_url: str) -> None:
    folder = config.parent
    for name in ("changes", "goes", "stays"):
        write_bill(folder / f"{name}.csv", charge("2026-11-01", "1"))
    collect(config)
    write_bill(folder / "changes.csv", charge("2026-11-01", "22"))
    (folder / "goes.csv").unlink()
    (folder / "noise.txt").write_text("not a bill")
    before = contents(database_url)
    result = invoke("collect", "--dry-run", "--config", config)
    assert (result.exit_code, result.stderr) == (0, "")
    size = (folder / "changes.csv").stat().st_size
    assert result.stdout.splitlines() == [
        f"bill: would read 1 part ({size} B), 1 unchanged; withdraw 1; 0 paid requests, $0",
        f"  read {folder}/changes.csv ({size} B)",
        f"  withdraw {folder}/goes.csv: the source has it no longer",
    ]
    assert contents(database_url) == before
    assert before["cost_parts"]


def test_a_dry_run_leaves_a_new_database_empty(empty_url: str, tmp_path: Path) -> None:
    bill = write_bill(tmp_path / "a.csv", charge("2026-11-01", "1"))
    config = configure(tmp_path, as_url(empty_url), {"name": "bill", "paths": [str(bill)]})
    result = invoke("collect", "--dry-run", "--config", config)
    assert result.exit_code == 0, result.output
    assert "would read 1 part" in result.stdout
    assert contents(empty_url) == {}


def test_a_window_changes_its_own_days_only(config: Path, database_url: str) -> None:
    bill = config.parent / "a.csv"
    days = [f"2026-11-0{day}" for day in range(1, 6)]
    write_bill(bill, *(charge(day, "1") for day in days))
    collect(config)
    write_bill(bill, *(charge(day, "10") for day in days))
    collect(config, "--since", "2026-11-02", "--until", "2026-11-03")
    assert total(database_url) == 23
    # The other days of the file are not forgotten: it is read again as a whole.
    assert "1 parts read" in collect(config)
    assert total(database_url) == 50


def test_only_the_named_source_is_read(database_url: str, tmp_path: Path) -> None:
    sources = [
        {"name": name, "paths": [str(write_bill(tmp_path / f"{name}.csv", row))]}
        for name, row in {
            "one": charge("2026-11-01", "1"),
            "two": charge("2026-11-01", "2", SubAccountId="222"),
        }.items()
    ]
    config = configure(tmp_path, as_url(database_url), *sources)
    assert collect(config, "--source", "two").startswith("two: succeeded")
    assert total(database_url) == 2
    result = invoke("collect", "--once", "--config", config, "--source", "three")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "there is no source 'three' (configured: one, two)" in result.stderr


def test_a_malformed_file_is_left_out_and_named(config: Path, database_url: str) -> None:
    write_bill(config.parent / "good.csv", charge("2026-11-01", "3"))
    bad = write_bill(
        config.parent / "bad.csv", charge("2026-11-01", "1"), charge("2026-11-01", "$1,000")
    )
    done = run("collect", "--once", "--config", config)
    assert done.returncode == 3
    assert done.stdout.startswith("bill: partial; 1 parts read")
    assert f"bill: left out {bad}, data row 2, column BilledCost: '$1,000' is not a" in done.stderr
    assert total(database_url) == 3
    bad.with_name("good.csv").unlink()
    (config.parent / "empty.csv").touch()
    said = invoke("collect", "--once", "--config", config)
    assert said.exit_code == 1
    assert said.stdout.startswith("bill: failed; 0 parts read")
    assert "empty.csv: the file has no bytes" in said.stderr


def test_without_a_source_there_is_nothing_to_collect(database_url: str, tmp_path: Path) -> None:
    result = invoke("collect", "--once", "--config", configure(tmp_path, as_url(database_url)))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no source is configured; see docs/configuration.md" in result.stderr


def test_an_unreachable_database_is_named_without_its_password(tmp_path: Path) -> None:
    bill = write_bill(tmp_path / "a.csv", charge("2026-11-01", "1"))
    port = free_port()
    url = f"postgresql://someone:hunter2@127.0.0.1:{port}/finops"
    config = configure(tmp_path, url, {"paths": [str(bill)]})
    done = run("collect", "--once", "--config", config)
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_while_a_file_is_read_ends_both_processes(
    config: Path, database_url: str, number: int, code: int
) -> None:
    write_bill(config.parent / "a.csv", charge("2026-11-01", "1"))
    with started("collect", "--once", "--config", config) as process:
        stop_reader(process)
        _, stderr = end(process, number)
        assert process.returncode == code
        assert "Traceback" not in stderr
        until_alone(process)
    assert total(database_url) == 0


def test_a_signal_in_the_middle_of_the_swap_leaves_nothing_of_it(
    config: Path, database_url: str
) -> None:
    bill = config.parent / "a.csv"
    write_bill(bill, charge("2026-11-01", "1"))
    collect(config)
    write_bill(bill, charge("2026-11-01", "2"), charge("2026-11-02", "4"))
    before = contents(database_url)
    with (
        closing(psycopg.connect(database_url)) as holder,
        started("collect", "--once", "--config", config) as process,
    ):
        holder.execute("LOCK TABLE cost_facts IN EXCLUSIVE MODE")
        waits = (
            "SELECT count(*) FROM pg_locks WHERE relation = 'cost_facts'::regclass AND NOT granted"
        )
        until(lambda: holder.execute(waits).fetchone() != (0,), "the swap waits for the lock")
        _, stderr = end(process)
        assert process.returncode == 143
        assert "Traceback" not in stderr
        assert session_of(process.pid) == []
    after = contents(database_url)
    for table in before.keys() - {"source_runs"}:
        assert after[table] == before[table], table
    collect(config)
    assert total(database_url) == 6


def test_collecting_on_schedule_ends_when_told_to(config: Path, database_url: str) -> None:
    write_bill(config.parent / "a.csv", charge("2026-11-01", "1"))
    with started("collect", "--config", config) as process:
        until(lambda: total(database_url) == 1, "the first run is stored")
        end(process)
        assert process.returncode == 0
        assert session_of(process.pid) == []


@pytest.mark.parametrize(
    "arguments",
    [["costs", "--format", form] for form in ("table", "csv", "json")] + [["check-config"]],
)
def test_nobody_reads_the_output(config: Path, arguments: list[str]) -> None:
    write_bill(config.parent / "a.csv", charge("2026-11-01", "1"))
    collect(config)
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        done = subprocess.run(
            [*COMMAND, *arguments, "--config", config],
            env=environment(),
            stdout=write_end,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(write_end)
    assert (done.returncode, done.stderr) == (1, "")


def test_log_lines_are_json_unless_a_person_watches(config: Path) -> None:
    write_bill(config.parent / "a.csv", charge("2026-11-01", "1"))
    write_bill(config.parent / "with [brackets].csv", charge("2026-11-01", "2"))
    done = run("collect", "--once", "--config", config)
    assert done.returncode == 0
    (entry,) = [json.loads(line) for line in done.stderr.splitlines()]
    assert entry["event"] == "source collected"
    assert entry["level"] == "info"
    assert (entry["source"], entry["parts"]) == ("bill", 2)
    write_bill(config.parent / "with [more].csv", charge("2026-11-02", "2"))
    code, shown = on_terminal("collect", "--once", "--config", config)
    assert code == 0
    assert "bill: succeeded; 1 parts read, 2 unchanged" in shown
    assert "with [more].csv" in shown
    assert "source collected" not in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    result = invoke(*command.split(), "--help")
    assert result.exit_code == 0
    assert "--config FILE" in result.stdout
    assert f"finops-exporter {command}" in result.stdout.split("Example")[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["serve", "--nonsense"],
        ["serve", "surplus"],
        ["serve", "--web.listen-address", "nowhere"],
        ["collect", "--once", "--since", "2026-11-01"],
        ["collect", "--once", "--until", "2026-11-01"],
        ["collect", "--since", "2026-11-01", "--until", "2026-11-02"],
        ["collect", "--once", "--since", "2026-11-03", "--until", "2026-11-02"],
        ["collect", "--once", "--since", "11/01/2026", "--until", "2026-11-02"],
        ["costs", "--since"],
        ["check-config", "--config", "there-is-no-such-file.yaml"],
        ["demo", "--web.listen-address", "nowhere"],
    ],
)
def test_wrong_usage_is_exit_code_two(arguments: list[str]) -> None:
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr
    assert "Traceback" not in result.stderr
