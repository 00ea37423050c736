"""A real Prometheus scrapes the real exporter: every sample arrives as it is stored."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from finops_exporter.model import utc_midnight
from integration.feeding import cost, swap
from integration.processes import as_url, configure, until
from integration.scraping import prometheus
from integration.test_serve import serving, yesterday

if TYPE_CHECKING:
    from pathlib import Path

    from finops_exporter.store.database import Database
    from integration.scraping import Prometheus

# What Prometheus 2.42 sends; other versions are in the unit tests of the negotiation.
ACCEPT = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)

SNAPSHOT = re.compile("(aws|gcp|azure|other)_cost_.*|finops_(account|cost|billing|source)_.*")
"""Families that stay while the store does."""

ODD = ('quoted "service"', "back\\slash", "two\nlines", "Dienst für Zürich", "服务", " spaced ")


def test_every_sample_arrives_as_it_is_stored(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    rows = [
        cost(str(yesterday()), f"{number * 7919 % 10_007 - 500}e-{number % 7}", service=service)
        for number, service in enumerate([*ODD, *(f"service {one}" for one in range(200))])
    ]
    today = yesterday() + timedelta(days=1)
    swap(database, rows, covered_until={"aws": utc_midnight(today)})
    with serving(configure(tmp_path, as_url(database_url))) as server:
        body = server.answer("/metrics").body.decode()
        kind = server.answer("/metrics", Accept=ACCEPT).headers["Content-Type"]
        assert kind.startswith("application/openmetrics-text; version=1.0.0")
        target = {"static_configs": [{"targets": [f"127.0.0.1:{server.port}"]}]}
        with prometheus(tmp_path, target) as scraper:
            until(lambda: scraped(scraper), "a scrape succeeds", 30)
            found = {
                (one["metric"].pop("__name__"), *sorted(one["metric"].items())): float(
                    one["value"][1]
                )
                for one in scraper.query(f'{{__name__=~"{SNAPSHOT.pattern}"}}')
            }
    place = (("instance", f"127.0.0.1:{server.port}"), ("job", "finops"))
    expected = {
        (sample.name, *sorted([*sample.labels.items(), *place])): sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
        if SNAPSHOT.fullmatch(sample.name)
    }
    assert len(expected) > 400
    assert found == expected


def scraped(scraper: Prometheus) -> bool:
    (target,) = scraper.targets() or [{}]
    assert not target.get("lastError")
    return target.get("health") == "up" and bool(scraper.query("aws_cost_today_usd or up == 1"))
