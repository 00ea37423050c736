"""What the tests of Cost Explorer share: a bill, a server for it, and a run without a kernel."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from doubles.asked import Asked
from doubles.aws_bill import Bill, Line
from doubles.aws_server import AwsServer
from finops_exporter.collectors.aws_cost_explorer.collector import CostExplorerCollector
from finops_exporter.collectors.aws_cost_explorer.options import CostExplorerOptions
from finops_exporter.model import Complete, ControlTotal, CostRow, Task
from finops_exporter.one_run import pending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from finops_exporter.model import Item, Plan

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TAGS = {"team": ["team"]}
SERVICES = ("Amazon Simple Storage Service", "AWS Lambda")
REGIONS = ("us-east-1", "eu-west-1")


def line(day: str, unblended: str, **others: Any) -> Line:
    """A line with plain defaults; amounts as decimal text."""
    fields: dict[str, Any] = {
        "account": "111111111111",
        "service": SERVICES[0],
        "amortized": Decimal(others.pop("amortized", unblended)),
    }
    return Line(date.fromisoformat(day), unblended=Decimal(unblended), **(fields | others))


def bill(
    accounts: int = 2, since: date = date(2026, 9, 1), until: date = date(2026, 11, 22)
) -> Bill:
    """Days [since, until) of so many accounts with amounts of 10 decimals, taxes and credits."""
    lines = []
    day = since
    while day < until:
        for number in range(accounts):
            account = f"{number + 1:012d}"
            for place, service in enumerate(SERVICES):
                amount = Decimal(day.toordinal() % 97 + number * 7 + place) / 7
                exact = amount.quantize(Decimal("1E-10"))
                lines.append(
                    Line(
                        day,
                        account,
                        service,
                        exact,
                        exact / 2,
                        REGIONS[(number + place) % 2],
                        tags={"team": "web"} if number % 2 else {},
                    )
                )
            if day.day == 1:
                tax = Decimal("3.3300000001")
                lines.append(Line(day, account, "Tax", tax, tax, "NoRegion", "Tax"))
                back = Decimal("-0.5")
                lines.append(Line(day, account, SERVICES[0], back, back, REGIONS[0], "Credit"))
        day += timedelta(days=1)
    return Bill(lines, {"000000000001": "production", "000000000002": "staging"})


def server(of: Bill, now: Callable[[], datetime] = lambda: NOW) -> AwsServer:
    """Answers for the bill; Organizations knows its names."""
    accounts = [{"Id": account, "Name": name} for account, name in of.names.items()]
    return AwsServer(
        GetCostAndUsage=lambda asked: of.answer(asked, now()),
        ListAccounts=lambda _asked: {"Accounts": accounts},
    )


def collector(aws: AwsServer, tags: Any = None, **options: Any) -> CostExplorerCollector:
    given = CostExplorerOptions(endpoint_url=aws.url, **options)
    return CostExplorerCollector("aws", given, TAGS if tags is None else tags)


def plan_of(of: CostExplorerCollector, task: Task | None = None) -> Plan:
    return of.plan(task or Task(NOW), Asked(of))


def read(of: CostExplorerCollector, task: Task | None = None) -> list[Item]:
    """All that a run yields when nothing is stored, or what `task` says."""
    wanted = task or Task(NOW, lag=timedelta(hours=24))
    ask = Asked(of)
    return list(of.collect(wanted, pending(of.plan(wanted, ask), wanted), ask))


def rows_of(items: Iterable[Item], cut: str) -> list[CostRow]:
    return [item for item in items if isinstance(item, CostRow) and item.cut == cut]


def sums(rows: Iterable[CostRow]) -> tuple[Decimal, Decimal]:
    listed = list(rows)
    return (
        sum((row.billed for row in listed), Decimal(0)),
        sum((row.effective for row in listed), Decimal(0)),
    )


def stored_after(items: Iterable[Item]) -> dict[str, str]:
    """What a store would hold of these items: part to fingerprint."""
    return {item.part: item.fingerprint for item in items if isinstance(item, Complete)}


def controls(items: Iterable[Item]) -> Sequence[ControlTotal]:
    return [item for item in items if isinstance(item, ControlTotal)]
