"""`serve` as a process: what it answers, and what becomes of it when something dies."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import socket
import sys
from collections import defaultdict
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from integration.bills import charge, write_bill
from integration.processes import (
    COMMAND,
    Process,
    as_url,
    configure,
    end,
    free_port,
    invoke,
    run,
    session_of,
    started,
    stop_reader,
    until,
    until_alone,
)
from integration.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DAYS = 70
IMPATIENT = """
from finops_exporter import cli, service
service.STOP_SECONDS = 1.0
cli.main()
"""

Samples = dict[str, dict[frozenset[tuple[str, str]], float]]


@dataclass(frozen=True)
class Answer:
    """What a request got."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Server:
    """The exporter that is being tested."""

    process: Process
    port: int

    def get(self, path: str, **headers: str) -> Answer | None:
        """The answer, or None while nobody listens."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            try:
                connection.request("GET", path, headers=headers)
                response = connection.getresponse()
                return Answer(response.status, dict(response.headers), response.read())
            except OSError:
                assert self.process.poll() is None, self.process.communicate()
                return None

    def answer(self, path: str, **headers: str) -> Answer:
        """The first answer that can be had."""
        return until(lambda: self.get(path, **headers), f"{path} is answered", 30)

    def samples(self) -> Samples:
        """What /metrics says, read by Prometheus' own parser."""
        found: Samples = defaultdict(dict)
        for family in text_string_to_metric_families(self.answer("/metrics").body.decode()):
            for sample in family.samples:
                found[sample.name][frozenset(sample.labels.items())] = sample.value
        return found

    def value(self, name: str) -> float | None:
        """The value of a metric without labels."""
        return self.samples().get(name, {}).get(frozenset())


@contextmanager
def serving(config: Path, command: tuple[str, ...] = COMMAND) -> Iterator[Server]:
    port = free_port()
    address = f"127.0.0.1:{port}"
    with started(
        "serve", "--config", config, "--web.listen-address", address, command=command
    ) as process:
        yield Server(process, port)


def yesterday() -> date:
    return datetime.now(UTC).date() - timedelta(days=1)


def amounts(last: date) -> dict[date, Decimal]:
    """What each of the days until `last` costs."""
    return {last - timedelta(days=back): Decimal(100 + back) / 100 for back in range(DAYS)}


def write_days(path: Path, last: date) -> Path:
    return write_bill(path, *(charge(str(day), str(usd)) for day, usd in amounts(last).items()))


def months(last: date) -> dict[str, Decimal]:
    found: dict[str, Decimal] = defaultdict(Decimal)
    for day, usd in amounts(last).items():
        found[f"{day:%Y-%m}"] += usd
    return found


def place(**labels: str) -> frozenset[tuple[str, str]]:
    full = {"account_id": "111", "region": "eu-west-1", "service": "Amazon EC2", **labels}
    return frozenset(full.items())


def is_filled(server: Server) -> Samples | None:
    samples = server.samples()
    return samples if "aws_cost_monthly_usd" in samples else None


def configured(folder: Path, url: str, **options: Any) -> Path:
    source = {"name": "bill", "paths": [str(folder / "*.csv")], **options}
    return configure(folder, url, source, server={"refresh": "1s"})


def test_the_stored_totals_are_served_and_sigterm_ends_it(
    database_url: str, tmp_path: Path
) -> None:
    last = yesterday()
    write_days(tmp_path / "a.csv", last)
    with serving(configured(tmp_path, as_url(database_url))) as server:
        samples = until(lambda: is_filled(server), "the first run is served")
        usd, month = amounts(last), f"{last:%Y-%m}"
        before = f"{last.replace(day=1) - timedelta(days=1):%Y-%m}"
        assert samples["aws_cost_monthly_usd"] == {place(month=month): float(months(last)[month])}
        assert samples["aws_cost_previous_month_usd"] == {
            place(month=before): float(months(last)[before])
        }
        assert samples["aws_cost_daily_usd"] == {
            place(day_offset=str(offset)): float(usd[last - timedelta(days=offset - 1)])
            for offset in (1, 2, 8)
        }
        newest_first = [usd[last - timedelta(days=back)] for back in range(60)]
        assert samples["aws_cost_trailing_30d_usd"] == {
            frozenset({("account_id", "111"), ("window", "current")}): float(
                sum(newest_first[:30])
            ),
            frozenset({("account_id", "111"), ("window", "previous")}): float(
                sum(newest_first[30:])
            ),
        }
        assert samples["finops_database_up"] == {frozenset(): 1}
        assert server.answer("/-/ready").status == 200
        assert server.answer("/-/healthy").status == 200
        landing = server.answer("/")
        assert landing.headers["Content-Type"].startswith("text/html")
        assert f"<td>{last}</td>" in landing.body.decode()
        until(lambda: encodings_agree(server), "gzip holds the same bytes")
        _, stderr = end(server.process, seconds=5)
        assert server.process.returncode == 0, stderr
        assert session_of(server.process.pid) == []
        assert server_is_gone(server.port)


def encodings_agree(server: Server) -> bool:
    """A refresh may come in between two requests; then they are made again."""
    plain = server.answer("/metrics")
    packed = server.answer("/metrics", **{"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert plain.headers["Content-Type"] == packed.headers["Content-Type"]
    return gzip.decompress(packed.body) == plain.body


def server_is_gone(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0


def test_the_last_good_data_survive_kill_9_and_the_loss_of_the_file(
    database_url: str, tmp_path: Path
) -> None:
    bill = write_days(tmp_path / "a.csv", yesterday())
    config = configured(tmp_path, as_url(database_url), missing_files="keep")
    with serving(config) as server:
        before = until(lambda: is_filled(server), "the first run is served")
        server.process.kill()
        server.process.communicate()
        until_alone(server.process)
    bill.unlink()
    with serving(config) as server:
        first = server.samples()
        assert server.answer("/-/ready").status == 200
        costs = {name for name in before if name.startswith("aws_cost_")}
        assert len(costs) > 5
        for name in costs:
            assert first[name] == before[name]
        until(lambda: "finops_rejected_rows" in server.samples(), "the next run is served")
        assert server.samples()["aws_cost_monthly_usd"] == before["aws_cost_monthly_usd"]


def test_a_port_in_use_is_said_in_a_sentence(database_url: str, tmp_path: Path) -> None:
    config = configured(tmp_path, as_url(database_url))
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        done = run("serve", "--config", config, "--web.listen-address", address)
    assert done.returncode == 1
    assert f"finops-exporter: cannot listen on {address}: " in done.stderr
    assert "choose another with server.listen or --web.listen-address" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_database_comes_goes_and_comes_back(database_url: str, tmp_path: Path) -> None:
    write_days(tmp_path / "a.csv", yesterday())
    with Proxy(database_url) as proxy, serving(configured(tmp_path, proxy.url)) as server:
        # Served before the database is known to be there or not, and then without a guess.
        assert server.value("finops_database_up") in {None, 0}
        until(lambda: server.value("finops_database_up") == 0, "the database is down", 30)
        samples = server.samples()
        assert not [name for name in samples if name.startswith("aws_cost_")]
        assert "finops_snapshot_timestamp_seconds" not in samples
        assert server.answer("/-/healthy").status == 200
        ready = server.answer("/-/ready")
        assert ready.status == 503
        assert f"not ready: the database 127.0.0.1:{proxy.port}/" in ready.body.decode()
        assert "Not ready" in server.answer("/").body.decode()

        proxy.open()
        until(lambda: server.answer("/-/ready").status == 200, "ready with the database", 30)
        before = until(lambda: is_filled(server), "the first run is served")
        until(lambda: server.value("finops_database_up") == 1, "the database is up")

        proxy.shut()
        until(lambda: server.value("finops_database_up") == 0, "the database is down", 30)
        after = server.samples()
        assert after["aws_cost_daily_usd"] == before["aws_cost_daily_usd"]
        assert server.answer("/-/healthy").status == 200
        assert server.answer("/-/ready").status == 200
        seen = after["finops_snapshot_timestamp_seconds"][frozenset()]
        assert seen < datetime.now(UTC).timestamp()

        proxy.open()
        until(lambda: server.value("finops_database_up") == 1, "the database is back", 30)
        assert (server.value("finops_snapshot_timestamp_seconds") or 0) > seen
        end(server.process, seconds=15)
        assert server.process.returncode == 0


@contextmanager
def stored_and_locked(config: Path, database_url: str) -> Iterator[None]:
    """A store with the sources' costs, in which no swap gets any further."""
    assert invoke("collect", "--once", "--config", config).exit_code == 0
    for bill in config.parent.glob("*.csv"):
        os.utime(bill)  # another fingerprint
    with closing(psycopg.connect(database_url)) as holder:
        holder.execute("LOCK TABLE cost_facts IN EXCLUSIVE MODE")
        yield


def waiting(database_url: str) -> bool:
    """Whether anybody waits for a lock of this database."""
    with psycopg.connect(database_url) as connection:
        found = connection.execute(
            "SELECT count(*) > 0 FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ).fetchone()
    return found is not None and bool(found[0])


def test_more_sources_than_connections_do_not_starve_the_pages(
    database_url: str, tmp_path: Path
) -> None:
    sources = [
        {"name": name, "paths": [str(write_bill(tmp_path / f"{name}.csv", row))]}
        for name in ("one", "two", "three")
        for row in [charge(str(yesterday()), "1", SubAccountId=name)]
    ]
    config = configure(tmp_path, as_url(database_url), *sources, server={"refresh": "1s"})
    with (
        stored_and_locked(config, database_url),
        serving(config, (sys.executable, "-c", IMPATIENT)) as server,
    ):
        until(lambda: waiting(database_url), "a run waits in the database")
        begun = server.value("finops_snapshot_timestamp_seconds") or 0

        def moves_on() -> bool:
            assert server.value("finops_database_up") == 1
            return (server.value("finops_snapshot_timestamp_seconds") or 0) > begun + 3

        until(moves_on, "the pages follow the store while runs wait")
        # A run that hangs in the database does not keep the process from ending.
        _, stderr = end(server.process)
        assert server.process.returncode == 1
        assert "a run did not end" in stderr
        assert session_of(server.process.pid) == []


def test_sigterm_while_a_file_is_read_ends_both_processes(
    database_url: str, tmp_path: Path
) -> None:
    write_days(tmp_path / "a.csv", yesterday())
    with serving(configured(tmp_path, as_url(database_url))) as server:
        stop_reader(server.process)
        assert server.answer("/-/ready").status == 200
        _, stderr = end(server.process, seconds=5)
        assert server.process.returncode == 0, stderr
        assert "Traceback" not in stderr
        until_alone(server.process)


@pytest.mark.parametrize("listen", ["127.0.0.1", "127.0.0.1:99999", ":1"])
def test_an_address_that_is_none_is_wrong_usage(listen: str) -> None:
    result = invoke("serve", "--web.listen-address", listen)
    assert result.exit_code == 2
    assert "--web.listen-address: must be host:port" in result.stderr
    assert result.stderr.endswith(f", not '{listen}'\n")


def test_the_budgets_of_the_configuration_are_served_and_those_it_drops_end(
    database_url: str, tmp_path: Path
) -> None:
    newest = yesterday()
    bill = [charge(str(newest - timedelta(days=back)), "2") for back in range(DAYS)]
    source = {"name": "bill", "paths": [str(write_bill(tmp_path / "a.csv", *bill))]}
    url = as_url(database_url)
    all_of_it = {"name": "all", "scope": "organization", "amount": 7, "period": "monthly"}
    sections = {"budgets": [all_of_it], "customers": {"current": 5}, "server": {"refresh": "1s"}}
    config = configure(tmp_path, url, source, **sections)
    labels = {"budget": "all", "scope_type": "organization", "period": "monthly"}
    key = frozenset({**labels, "scope_value": "", "owner": ""}.items())
    with serving(config) as server:
        assert server.samples()["cloud_budget_limit_usd"] == {key: 7}
        spent = until(
            lambda: server.samples().get("cloud_budget_spent_usd"), "the bill is collected", 30
        )
        assert spent == {key: 2 * newest.day}
        known = until(lambda: server.samples().get("finops_customers"), "customers are counted")
        assert known == {frozenset({("window", "current")}): 5}
        team = (
            "--scope",
            "service",
            "--value",
            "Amazon EC2",
            "--amount",
            "9",
            "--period",
            "yearly",
        )
        assert invoke("budget", "set", "mine", "--config", config, *team).exit_code == 0
        until(lambda: len(server.samples()["cloud_budget_limit_usd"]) == 2, "the new one is shown")
    config = configure(tmp_path, url, source)
    with serving(config) as server:
        assert [dict(one)["budget"] for one in server.samples()["cloud_budget_limit_usd"]] == [
            "mine"
        ]
        _, stderr = end(server.process)
    told = [json.loads(line) for line in stderr.splitlines() if '"budgets"' in line]
    assert [(one["budgets"], one["event"][:14]) for one in told] == [(["all"], "budgets ended:")]
