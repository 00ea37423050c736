"""`demo` from nothing to exact numbers; it is long, so that it is one test."""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import psycopg
import pytest

from finops_exporter.store.embedded import ROOT_HOME
from integration.processes import as_url, run, until
from shared import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PROVIDERS = {"AWS": "aws", "Google Cloud": "gcp", "Microsoft": "azure"}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that root's embedded server can reach as well."""
    home = ROOT_HOME if os.geteuid() == 0 else ROOT / ".cache"
    folder = Path(home) / f"demo-{{{uuid.uuid4().hex[:8]}}}"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def written(folder: Path) -> list[dict[str, str]]:
    """Exact sums per provider, made by DuckDB of the files alone."""
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT ProviderName, sum(BilledCost)::VARCHAR, sum(EffectiveCost)::VARCHAR"
            " FROM read_parquet($files) GROUP BY ALL",
            {"files": f"{folder}/billing/*.parquet"},
        ).fetchall()
    return [
        {"provider": PROVIDERS[name], "billed": plain(billed), "effective": plain(effective)}
        for name, billed, effective in sorted(found, key=lambda row: PROVIDERS[row[0]])
    ]


def plain(text: str) -> str:
    return f"{Decimal(text).normalize():f}"


def test_the_demo_stores_what_it_wrote_in_a_database_of_its_own(
    folder: Path, empty_url: str
) -> None:
    env = {"DATABASE_URL": as_url(empty_url)}
    made = run("demo", "--folder", folder, env=env)
    assert made.returncode == 0, made.stderr
    assert "demo: succeeded; 42 parts read, 0 unchanged" in made.stdout
    (calls,) = re.findall(r"demo: new AI calls of its tenants: ([\d,]+), \$", made.stdout)
    hint = made.stdout.splitlines()[-1]
    assert hint.startswith("Now: env -u DATABASE_URL ")
    assert hint.endswith(f"finops-exporter serve --config '{folder}/config.yaml'")
    with psycopg.connect(empty_url) as connection:
        tables = connection.execute("SELECT FROM pg_tables WHERE schemaname = 'public'")
        assert tables.fetchall() == []
    until(lambda: not (folder / "postgres" / "postmaster.pid").exists(), "its server ended")

    # The same numbers again, and nothing of the past is told anew.
    again = run("demo", "--folder", folder)
    assert again.returncode == 0, again.stderr
    (counts,) = re.findall(
        r"demo: succeeded; (\d+) parts read, (\d+) unchanged, .* (\d+) account-days restated",
        again.stdout,
    )
    read, unchanged, restated = map(int, counts)
    assert read + unchanged == 42
    assert read <= 2 * len(PROVIDERS)  # the running month, and at midnight of the 1st the last one
    assert restated == 0

    shown = run("costs", "--config", folder / "config.yaml", "--format", "json")
    assert shown.returncode == 0, shown.stderr
    groups = written(folder)
    assert len(groups) == len(PROVIDERS)
    document = json.loads(shown.stdout)
    assert document["groups"] == groups
    stands = run("budget", "status", "--config", folder / "config.yaml", "--format", "json")
    assert stands.returncode == 0, stands.stderr
    reached = {one["name"]: one["reached"] for one in json.loads(stands.stdout)["budgets"]}
    assert (reached["payments"], reached["data"]) == (["50", "80"], ["50", "80", "100"])
    tenants = run("ai", "tenants", "--over", "80", "--config", folder / "config.yaml")
    assert re.findall(r"(\S+) +│ \* .* (warning|exceeded) ", tenants.stdout) == [
        ("harbor-rentals", "exceeded"),
        ("velo-couriers", "warning"),
    ]
    used = run("ai", "usage", "--by", "", "--format", "json", "--config", folder / "config.yaml")
    assert json.loads(used.stdout)["total"]["calls"] >= int(calls.replace(",", ""))
    for amount in ("billed", "effective"):
        total = sum((Decimal(group[amount]) for group in groups), Decimal(0))
        assert document["total"][amount] == plain(str(total))
