"""An invented AWS bill, and what Cost Explorer says of it: the meaning of GetCostAndUsage, pure.

Grouping, filters, pages, estimated days and amounts as text, as the service's own model has them
(test_doubles.py holds the answers against it). Sums are made from the lines anew for each question.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

ALWAYS = datetime(2000, 1, 1, tzinfo=UTC)
FINAL_AFTER = timedelta(days=4)
"""A month's days stay estimated so long after its end."""


@dataclass(frozen=True, slots=True)
class Line:
    """A charge, and from when to when Cost Explorer knows it (restating replaces a line)."""

    day: date
    account: str
    service: str
    unblended: Decimal
    amortized: Decimal
    region: str = "us-east-1"
    record_type: str = "Usage"
    tags: Mapping[str, str] = field(default_factory=dict)
    currency: str = "USD"
    known: datetime = ALWAYS
    gone: datetime | None = None

    def is_seen(self, now: datetime) -> bool:
        return self.known <= now and (self.gone is None or now < self.gone)


class RefusedRequest(Exception):  # noqa: N818 -- it is the service's answer, not our error
    """What the service answers instead: an error type and its message."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text


@dataclass
class Bill:
    """The lines, the names of the accounts, and how much goes on one page."""

    lines: list[Line]
    names: Mapping[str, str] = field(default_factory=dict)
    groups_a_page: int = 5000
    oldest: date = date(2000, 1, 1)

    def answer(self, asked: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """What GetCostAndUsage says at `now`; raises RefusedRequest as the service does."""
        days = _days(asked["TimePeriod"], now)
        if days[0] < self.oldest:
            raise RefusedRequest(
                "ValidationException", "you have no data before " + str(self.oldest)
            )
        seen = [
            line
            for line in self.lines
            if line.is_seen(now) and days[0] <= line.day <= days[-1] and _meets(line, asked)
        ]
        by_day: dict[date, list[Line]] = defaultdict(list)
        for line in seen:
            by_day[line.day].append(line)
        results = [_result(day, by_day[day], asked, now) for day in days]
        return self._page(results, asked, {line.account for line in seen})

    def _page(
        self, results: list[dict[str, Any]], asked: Mapping[str, Any], accounts: Iterable[str]
    ) -> dict[str, Any]:
        start = int(asked.get("NextPageToken", "page-0").removeprefix("page-"))
        page, following = _cut(results, start, self.groups_a_page)
        answer: dict[str, Any] = {"ResultsByTime": page, "DimensionValueAttributes": []}
        if asked.get("GroupBy"):
            answer["GroupDefinitions"] = asked["GroupBy"]
            answer["DimensionValueAttributes"] = [
                {"Value": account, "Attributes": {"description": self.names[account]}}
                for account in sorted(accounts)
                if account in self.names and _by_account(asked)
            ]
        if following:
            answer["NextPageToken"] = f"page-{following}"
        return answer

    def total(self, now: datetime, since: date, until: date) -> tuple[Decimal, Decimal]:
        """Billed and effective of what is known at `now` of the days [since, until)."""
        seen = [line for line in self.lines if line.is_seen(now) and since <= line.day < until]
        return (
            sum((line.unblended for line in seen), Decimal(0)),
            sum((line.amortized for line in seen), Decimal(0)),
        )


def _result(
    day: date, of_day: Sequence[Line], asked: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    grouped: dict[tuple[str, ...], list[Line]] = defaultdict(list)
    for line in of_day:
        grouped[tuple(_key(line, by) for by in asked.get("GroupBy", ()))].append(line)
    following = day + timedelta(days=1)
    result: dict[str, Any] = {
        "TimePeriod": {"Start": str(day), "End": str(following)},
        "Total": {},
        "Groups": [],
        "Estimated": now < _month_end(day) + FINAL_AFTER,
    }
    if asked.get("GroupBy"):
        result["Groups"] = [
            {"Keys": list(keys), "Metrics": _metrics(lines, asked["Metrics"])}
            for keys, lines in sorted(grouped.items())
        ]
    if not result["Groups"]:
        # A grouped answer, too, has a total of nothing for a day without a group.
        result["Total"] = _metrics([] if asked.get("GroupBy") else of_day, asked["Metrics"])
    return result


def _days(period: Mapping[str, str], now: datetime) -> list[date]:
    since, until = date.fromisoformat(period["Start"]), date.fromisoformat(period["End"])
    if since >= until:
        raise RefusedRequest(
            "ValidationException", "Start date (and hour) should be before end date"
        )
    if until > _month_end(now.date()).date():
        raise RefusedRequest("ValidationException", "end date past the beginning of next month")
    return [since + timedelta(days=count) for count in range((until - since).days)]


def _month_end(day: date) -> datetime:
    following = (day.replace(day=1) + timedelta(days=31)).replace(day=1)
    return datetime(following.year, following.month, 1, tzinfo=UTC)


def _meets(line: Line, asked: Mapping[str, Any]) -> bool:
    return "Filter" not in asked or _matches(line, asked["Filter"])


def _matches(line: Line, condition: Mapping[str, Any]) -> bool:
    ((kind, body),) = condition.items()
    if kind == "And":
        return all(_matches(line, each) for each in body)
    if kind == "Or":
        return any(_matches(line, each) for each in body)
    if kind == "Not":
        return not _matches(line, body)
    assert kind == "Dimensions"
    return _dimension(line, body["Key"]) in body["Values"]


def _dimension(line: Line, key: str) -> str:
    return {
        "LINKED_ACCOUNT": line.account,
        "SERVICE": line.service,
        "REGION": line.region,
        "RECORD_TYPE": line.record_type,
    }[key]


def _key(line: Line, by: Mapping[str, str]) -> str:
    if by["Type"] == "TAG":
        return f"{by['Key']}${line.tags.get(by['Key'], '')}"
    return _dimension(line, by["Key"])


def _by_account(asked: Mapping[str, Any]) -> bool:
    return any(by["Key"] == "LINKED_ACCOUNT" for by in asked["GroupBy"])


def _metrics(lines: Sequence[Line], names: Sequence[str]) -> dict[str, Any]:
    currency = lines[0].currency if lines else "USD"
    amounts = {
        "UnblendedCost": sum((line.unblended for line in lines), Decimal(0)),
        "AmortizedCost": sum((line.amortized for line in lines), Decimal(0)),
    }
    return {name: {"Amount": f"{amounts[name]:f}", "Unit": currency} for name in names}


def _cut(
    results: list[dict[str, Any]], start: int, size: int
) -> tuple[list[dict[str, Any]], int | None]:
    """The results with the groups from number `start` on, and the number of the next page."""
    page, seen = [], 0
    for result in results:
        count = max(len(result["Groups"]), 1)
        first, last = max(start - seen, 0), min(start + size - seen, count)
        seen += count
        if first < last:
            page.append({**result, "Groups": result["Groups"][first:last]})
    return page, (start + size if start + size < seen else None)


def days_between(since: date, until: date) -> Iterator[date]:
    """The days [since, until)."""
    for count in range((until - since).days):
        yield since + timedelta(days=count)
