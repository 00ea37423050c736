"""A store for dashboards: months of costs of three providers, budgets, and calls of AI tenants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from finops_exporter.model import Account, utc_midnight
from integration.feeding import cost, swap
from integration.processes import as_url, configure
from integration.test_budgets import budget, put

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from finops_exporter.model import CostRow
    from finops_exporter.store.database import Database

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NOW = datetime(2026, 11, 21, 12, 34, 56, tzinfo=UTC)
FIRST, LAST = date(2026, 7, 1), date(2026, 11, 20)
FIRST_CALL = datetime(2026, 10, 1, 0, 3, tzinfo=UTC)

SOURCES: Final = {"aws": "bill", "gcp": "late", "azure": "third"}
"""Which source tells what a provider bills."""
LAGS: Final = {"aws": 0, "gcp": 30, "azure": 0}
"""How many hours after midnight a day of a provider is complete."""
RATES: Final = {"USD": Decimal(1), "EUR": Decimal("1.1")}
CURRENCIES: Final = {"aws": "USD", "gcp": "EUR", "azure": "USD"}

TEAMS = ("data", "web", "")
ENVIRONMENTS = ("production", "staging")


class Place(NamedTuple):
    """Where a provider's money goes, and about how much a day, in its currency."""

    provider: str
    account: str
    service: str
    region: str
    usual: int


PLACES = (
    Place("aws", "111111111111", "Amazon Elastic Compute Cloud", "us-east-1", 60),
    Place("aws", "111111111111", "Amazon Elastic Compute Cloud", "eu-west-1", 35),
    Place("aws", "111111111111", "Amazon Simple Storage Service (S3)", "us-east-1", 12),
    Place("aws", "111111111111", "EC2 - Other", "us-east-1", 9),
    Place("aws", "222222222222", "Amazon Relational Database Service", "eu-west-1", 25),
    Place("aws", "222222222222", "AWS Lambda", "eu-west-1", 3),
    Place("aws", "222222222222", "AWS Support", "", 4),
    Place("gcp", "prod.example", "BigQuery", "europe-west3", 18),
    Place("gcp", "prod.example", "Cloud Storage", "europe-west3", 6),
    Place("gcp", "test+example", "Compute Engine", "us-central1", 11),
    Place("azure", "sub-1", "Virtual Machines", "westeurope", 22),
    Place("azure", "sub-1", "Storage", "westeurope", 5),
    Place("azure", "sub-2", "SQL Database", "northeurope", 14),
)

BUDGETS = (
    budget(name="All clouds", amount=Decimal(9000), owner="finance"),
    budget(name="AWS", scope="provider", scope_value="aws", amount=Decimal(3000)),
    budget(
        name="Google", scope="provider", scope_value="gcp", amount=Decimal(1500), currency="EUR"
    ),
    budget(name="Data", scope="team", scope_value="data", amount=Decimal(2000)),
    budget(name="Live", scope="environment", scope_value="production", amount=Decimal(4000)),
    budget(
        name="Azure sub-2", scope="account", scope_value="sub-2", amount=Decimal(9), period="yearly"
    ),
)

TENANTS: Final = {
    "tenant-0": ("*", 330, "UTC"),
    "tenant-1": ("*", 205, "Europe/Berlin"),
    "tenant-2": ("*", 147, "UTC"),
    "tenant-9": ("*", 5, "UTC"),
}
"""Budgets of AI tenants: the model, dollars a month, whose clock.

tenant-3 has calls and no budget, tenant-9 a budget and no calls.
"""
MODELS = ("claude-3-opus", "gpt-4o", "gemini-2.0-flash")
REPORTS = ("", "weekly", "daily")


@dataclass(frozen=True)
class Story:
    """What there is: which providers bill, and whether there are budgets and AI tenants."""

    providers: tuple[str, ...] = tuple(SOURCES)
    budgets: bool = True
    tenants: bool = True


def bills(provider: str) -> Iterator[CostRow]:
    """Usage of each day and place, with a tax and a credit now and then."""
    for back in range((LAST - FIRST).days + 1):
        day = FIRST + back * DAY
        for number, place in enumerate(PLACES):
            if place.provider != provider:
                continue
            swing = (back * 7919 + number * 104_729) % 1009
            amount = Decimal(place.usual) * (900 + swing // 5 + back) / 1000
            team = TEAMS[(number + back) % 3]
            tags = {"environment": ENVIRONMENTS[number % 2]} | ({"team": team} if team else {})
            yield _row(place, day, round(amount, 4), tags=tags)
            if number % 5 == 0 and day.day in {1, 15}:
                category = "Tax" if day.day == 1 else "Credit"
                extra = Decimal(17) if category == "Tax" else Decimal("-8.5")
                yield _row(place, day, extra, charge_category=category)


def _row(place: Place, day: date, amount: Decimal, **more: Any) -> CostRow:
    return cost(
        str(day),
        str(amount),
        provider=place.provider,
        account_id=place.account,
        service=place.service,
        region=place.region,
        currency=CURRENCIES[place.provider],
        part=f"{day:%Y-%m}.csv",
        **more,
    )


def feed(database: Database, story: Story) -> None:
    """Put into a store what the story tells."""
    for provider in story.providers:
        accounts = dict.fromkeys(one.account for one in PLACES if one.provider == provider)
        named = [Account(provider, one, f"Account {one}", named_on=LAST) for one in accounts]
        swap(
            database,
            bills(provider),
            source=SOURCES[provider],
            covered_until={provider: utc_midnight(LAST + DAY)},
            accounts=named,
            now=NOW,
        )
    if story.budgets:
        put(database, *BUDGETS)
    if story.tenants:
        _call(database)


def _call(database: Database) -> None:
    """Calls of four tenants in turn, every nineteen minutes, as another application writes them."""
    rows, moment, number = [], FIRST_CALL, 0
    while moment < NOW:
        kind = number * 7919 % 1009
        usd = Decimal(kind) / 1500 + (2 if kind == 500 else 0)
        rows.append(
            (
                f"call-{number}",
                moment,
                f"tenant-{number % 4}",
                MODELS[number // 4 % 3],
                1000 + kind,
                kind % 350,
                kind * 3,
                usd,
                REPORTS[number // 12 % 3],
            )
        )
        number, moment = number + 1, moment + timedelta(minutes=19)
    with database.connection() as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO ai_token_budgets (tenant_id, model, monthly_limit_usd, timezone)"
            " VALUES (%s, %s, %s, %s)",
            [(tenant, *one) for tenant, one in TENANTS.items()],
        )
        with cursor.copy(
            "COPY ai_token_usage (request_id, time, tenant_id, model, input_tokens,"
            " output_tokens, cache_read_tokens, cost_usd, report_type) FROM STDIN"
        ) as copy:
            for row in rows:
                copy.write_row(row)


def configured(folder: Path, url: str, story: Story) -> Path:
    """The configuration with which that store is read."""
    sources = [
        {"name": SOURCES[one], "paths": [f"{folder}/{one}/*"], "lag": f"{LAGS[one]}h"}
        for one in story.providers
    ]
    return configure(
        folder,
        as_url(url),
        *sources,
        tags={"team": ["team"], "environment": ["environment"]},
        billing={"rates": {"EUR": [{"from": "2026-01-01", "usd": float(RATES["EUR"])}]}},
    )
