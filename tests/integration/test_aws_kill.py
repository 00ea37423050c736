"""Kill -9 in the middle of a paid run: nothing is lost or doubled, and no cent is forgotten."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from doubles.aws_support import bill, server
from finops_exporter.store.database import Database
from integration.processes import as_url, run, started
from integration.test_aws import ALL, totals
from integration.test_costs import drift, fetch

if TYPE_CHECKING:
    from pathlib import Path

    from doubles.aws_bill import Bill

pytestmark = pytest.mark.kill

CENT = Decimal("0.01")


def configuration(folder: Path, url: str) -> Path:
    file = folder / "config.yaml"
    file.write_text(
        "tags: {team: [team]}\n"
        "collectors:\n"
        "  - type: aws_cost_explorer\n"
        "    name: aws\n"
        "    history_months: 4\n"
        f"    endpoint_url: {url}\n",
        encoding="utf-8",
    )
    return file


def bill_of_today() -> Bill:
    """Three accounts, since four months ago and more."""
    today = datetime.now(UTC).date()
    start = (today.replace(day=1) - timedelta(days=115)).replace(day=1)
    of = bill(3, since=start, until=today + timedelta(days=1))
    of.groups_a_page = 100
    return of


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_request_the_next_run_ends_at_the_truth(
    database_url: str, tmp_path: Path, seed: int
) -> None:
    chance = Random(seed)  # noqa: S311 -- reproducible, not secret
    of = bill_of_today()
    victim: list[Any] = []
    # A run asks more than 40 times.
    left = chance.randint(1, 40)

    def clock() -> datetime:
        nonlocal left
        left -= 1
        if left == 0 and victim:
            victim.pop().send_signal(signal.SIGKILL)
        return datetime.now(UTC)

    env = {"DATABASE_URL": as_url(database_url)}
    with server(of, clock) as aws:
        file = configuration(tmp_path, aws.url)
        with started("collect", "--once", "--config", file, env=env) as process:
            victim.append(process)
            assert process.wait(60) == -signal.SIGKILL
        killed_after = aws.count() + aws.count("ListAccounts")
        done = run("collect", "--once", "--config", file, env=env)
        assert done.returncode == 0, done.stderr
        asked = aws.count() + aws.count("ListAccounts")
    assert asked > killed_after
    database = Database(database_url)
    database.open()
    assert totals(database) == {of.total(datetime.now(UTC), ALL.since, ALL.until)}
    assert drift(database) == []
    assert [
        row[0] for row in fetch(database, "SELECT outcome FROM source_runs ORDER BY run_id")
    ] == [
        "killed",
        "succeeded",
    ]
    ((requests, usd),) = fetch(database, "SELECT sum(requests), sum(cost_usd) FROM api_requests")
    # A request is paid before it is made: the one under way may not have arrived.
    assert requests - asked in {0, 1}
    assert usd == fetch(database, "SELECT sum(cost_usd) FROM api_spending")[0][0]
    database.close()


def test_a_crash_loop_of_the_process_cannot_spend_more_than_the_cap(
    database_url: str, tmp_path: Path
) -> None:
    of = bill_of_today()
    victim: list[Any] = []

    def clock() -> datetime:
        if victim and aws.count() % 7 == 0:
            victim.pop().send_signal(signal.SIGKILL)
        return datetime.now(UTC)

    env = {"DATABASE_URL": as_url(database_url)}
    with server(of, clock) as aws:
        file = configuration(tmp_path, aws.url)
        text = file.read_text(encoding="utf-8")
        file.write_text(f"{text}    daily_cap_usd: 0.40\n", encoding="utf-8")
        codes = []
        for _ in range(9):
            with started("collect", "--once", "--config", file, env=env) as process:
                victim[:] = [process]
                codes.append(process.wait(60))
        assert codes.count(-signal.SIGKILL) >= 3
        assert codes[-1] != 0
        assert aws.count() * CENT <= Decimal("0.40")
    database = Database(database_url)
    database.open()
    assert fetch(database, "SELECT sum(cost_usd) <= 0.40 FROM api_spending") == [(True,)]
    database.close()
