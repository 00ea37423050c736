"""The whole body of /metrics, reviewed by eye; FINOPS_UPDATE_GOLDEN=1 writes it anew."""

from __future__ import annotations

import os
import re
import subprocess
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from exporter_families import text_of
from finops_exporter.ai_model import Tokens
from finops_exporter.exposition.ai import AiSettings
from finops_exporter.exposition.exposition import Exposition
from finops_exporter.exposition.families import Settings
from finops_exporter.model import Account, Api, Budget, ControlTotal, CostRow, Notice, Rejected
from finops_exporter.store import budgets, spending
from integration.ai_calls import HAIKU, OPUS
from integration.feeding import NOW, cost, swap
from shared import ROOT, tool

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.metrics_core import Metric

    from finops_exporter.exposition.bodies import Page
    from finops_exporter.store.database import Database
    from integration.ai_calls import Calls

GOLDEN = ROOT / "tests" / "golden" / "metrics.prom"

PROVIDERS = {
    "aws": ("111111111111", "us-east-1", ["Amazon S3", "Amazon EC2"]),
    "gcp": ("billing-prod", "europe-west1", ["BigQuery"]),
    "azure": ("/subscriptions/0000", "westeurope", ['Virtual "Machines"']),
    "oracle": ("ocid1.tenancy", "eu-frankfurt-1", ["Compute\\Block"]),
}
# Besides what differs from run to run, the forecasts: floats whose last cents a processor decides.
VOLATILE = re.compile(
    r"^(?P<head>(process_|python_|finops_snapshot_build_|finops_exporter_build_"
    r"|[a-z]+_cost_forecast_usd|cloud_budget_forecast_usd)\S*) .*$",
    re.MULTILINE,
)


def bill() -> list[CostRow]:
    """65 days of four providers, easy to add up by eye: service number n costs n a day."""
    rows = []
    for provider, (_, _, services) in PROVIDERS.items():
        place = _place(provider)
        for back in range(65):
            day = str(date(2026, 11, 21) - timedelta(days=back))
            for number, service in enumerate(services, start=1):
                team = {"team": "data"} if number == 1 else {}
                rows.append(cost(day, str(number), service=service, tags=team, **place))
        rows.append(cost("2026-11-01", "5.25", service="Tax", charge_category="Tax", **place))
        rows.append(
            cost("2026-11-02", "-1.5", service=services[0], charge_category="Credit", **place)
        )
    rows.append(cost("2026-11-03", "9", currency="JPY", service="Amazon S3", **_place("aws")))
    return rows


def _place(provider: str) -> dict[str, str]:
    account, region, _ = PROVIDERS[provider]
    return {"provider": provider, "account_id": account, "region": region}


COVERED = dict.fromkeys(PROVIDERS, datetime(2026, 11, 21, 9, tzinfo=UTC))
BAD = Rejected("x.csv", "bad_amount", "'abc' is no number", rows=7)
# Google's own totals: October ties, November is a quarter dollar off.
CONTROLS = [
    ControlTotal("", "gcp", date(2026, 10, 1), "USD", Decimal(31), Decimal(31)),
    ControlTotal("", "gcp", date(2026, 11, 1), "USD", Decimal(25), Decimal(25)),
]


BUDGETS = [
    Budget("everything", "organization", "", Decimal(300), "monthly", owner="finance"),
    # 21 days of 1, a tax of 5.25 and a credit of 1.5: 24.75, of which 21.75 on 18 settled days.
    Budget("oracle", "provider", "oracle", Decimal(25), "monthly"),
    Budget("google", "provider", "gcp", Decimal(30), "monthly", currency="EUR"),
    Budget("data", "team", "data", Decimal(400), "quarterly", provider="gcp"),
    Budget("nobody", "team", "dtaa", Decimal(1), "monthly", thresholds=(Decimal("99.5"),)),
]


def restated(row: CostRow) -> CostRow:
    """The same row; a dollar more for EC2 on 19 November."""
    if str(row.day) == "2026-11-19" and row.service == "Amazon EC2":
        return row._replace(billed=row.billed + 1)
    return row


def ask_models(calls: Calls) -> None:
    """Two tenants with budgets, one refused, and one without; calls of a cent a token or so."""
    calls.put("acme", "100", tier="enterprise", owner="growth", critical=True)
    calls.put("acme", "20", OPUS)
    calls.put('globex "west"', "2.5", timezone="America/Los_Angeles", tier="starter")
    day, hour = timedelta(days=1), timedelta(hours=1)
    for number, back in enumerate((3 * day, 2 * day, 2 * hour)):
        tokens = Tokens(input=100, output=10 * number)
        calls.track(f"before {number}", "acme", HAIKU, "0.5", NOW - back, tokens=tokens)
    calls.check("one", "acme", OPUS, "4", NOW)
    used = Tokens(input=200, output=100, cache_read=50, cache_write_5m=25, cache_write_1h=5)
    calls.track("one", "acme", OPUS, "4.25", NOW, tokens=used, report_type="weekly")
    calls.check("under way", "acme", OPUS, "3", NOW)
    calls.track("two", 'globex "west"', HAIKU, "2", NOW)
    calls.check("too much", 'globex "west"', HAIKU, "0.75", NOW)
    calls.track("three", "no budget", HAIKU, "1.125", NOW, report_type="audit")


@pytest.fixture
def page(database: Database, calls: Calls) -> Page:
    account = Account("aws", "111111111111", "production", "payer")
    for rows in (bill(), [restated(row) for row in bill()]):
        swap(
            database,
            rows,
            covered_until=COVERED,
            controls=CONTROLS,
            accounts=[account],
            rejected=[BAD],
            notices=[Notice("unknown_record_type", "'New' is not known", 4)],
        )
    with database.connection() as connection:
        paid = Api("aws", "ce:GetCostAndUsage", Decimal("0.01"))
        for retry in (False, True, False):
            spending.pay(connection, "bill", NOW.date(), paid, cap_usd=Decimal("1.5"), retry=retry)
        free = Api("aws", "organizations:ListAccounts")
        spending.pay(connection, "bill", NOW.date(), free, cap_usd=Decimal("1.5"), retry=False)
    old = [cost("2026-08-01", "3", account_id="archive", service="Amazon S3")]
    swap(database, old, source="archive", covered_until={"aws": datetime(2026, 8, 2, tzinfo=UTC)})
    for budget in BUDGETS:
        budgets.put(database, budget, "test", NOW)
    settings = Settings(
        basis="billed",
        hold=timedelta(days=5),
        tags=("team",),
        lags={"bill": timedelta(0)},
        rate=lambda currency, _day: Decimal(1) if currency == "USD" else None,
        owners={("aws", "111111111111"): "platform"},
    )
    ask_models(calls)
    exposition = Exposition(database, settings, AiSettings())
    exposition.refresh(NOW)
    return exposition.page


@pytest.fixture
def body(page: Page) -> str:
    return text_of(page)


def test_the_whole_body_is_the_reviewed_one(body: str) -> None:
    shown = re.sub(r"(python_info|finops_exporter_build_info)\{.*\}", r"\1{...}", body)
    masked = VOLATILE.sub(r"\g<head> (varies)", shown)
    if os.environ.get("FINOPS_UPDATE_GOLDEN"):
        GOLDEN.write_text(masked, encoding="utf-8")
    assert masked == GOLDEN.read_text(encoding="utf-8"), "review, then FINOPS_UPDATE_GOLDEN=1"


def test_openmetrics_says_the_same(page: Page) -> None:
    def told(families: Iterable[Metric]) -> dict[tuple[object, ...], float]:
        return {
            (
                family.name,
                family.type,
                family.documentation,
                one.name,
                *sorted(one.labels.items()),
            ): one.value
            for family in families
            # Those of the process itself change while it writes both formats.
            if not family.name.startswith(("process_", "python_"))
            for one in family.samples
        }

    openmetrics = b"".join(page.openmetrics.identity).decode()
    assert openmetrics.endswith("\n# EOF\n")
    read = list(openmetrics_families(openmetrics))  # type: ignore[no-untyped-call]  # the library has no types here
    assert told(read) == told(text_string_to_metric_families(text_of(page)))
    units = {family.name: family.unit for family in read if family.unit}
    assert units["aws_cost_monthly_usd"] == "usd"
    assert units["aws_cost_restated_usd"] == "usd"
    assert units["finops_source_lag_seconds"] == "seconds"
    assert set(units.values()) == {"usd", "seconds"}


def test_promtool_has_nothing_to_say_about_the_body(body: str) -> None:
    checked = subprocess.run(
        [tool("prometheus", "promtool"), "check", "metrics"],
        input=body,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
