"""What the answers of GetCostAndUsage mean: pure."""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, NamedTuple

from finops_exporter.errors import CollectError
from finops_exporter.model import NONE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PROVIDER = "aws"

SERVICES: Mapping[str, str] = {
    "Amazon Elastic Compute Cloud - Compute": "Amazon Elastic Compute Cloud",
    "EC2 - Other": "Amazon Elastic Compute Cloud",
}
"""Cost Explorer's own names of what FOCUS calls otherwise: a service keeps its name when the source
changes."""

_NOWHERE = frozenset({"", "NoRegion"})


class Metrics(NamedTuple):
    """Which of Cost Explorer's metrics are taken for billed and for effective."""

    billed: str
    effective: str


class Group(NamedTuple):
    """The costs of one day (UTC) that share `keys`, in the order that was asked for."""

    day: date
    keys: tuple[str, ...]
    billed: Decimal
    effective: Decimal
    currency: str
    estimated: bool


def groups(pages: Iterable[Mapping[str, Any]], metrics: Metrics) -> Iterator[Group]:
    """The groups of a grouped answer; raises CollectError for what is no amount."""
    for result in _results(pages):
        for group in result["Groups"]:
            yield _group(result, tuple(group["Keys"]), group["Metrics"], metrics)


def totals(pages: Iterable[Mapping[str, Any]], metrics: Metrics) -> Iterator[Group]:
    """The days of an answer that was not grouped; their keys are empty."""
    for result in _results(pages):
        if result["Total"]:
            yield _group(result, (), result["Total"], metrics)


def account_names(pages: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """What Cost Explorer calls the accounts of an answer that is grouped by them."""
    return {
        one["Value"]: name
        for page in pages
        for one in page.get("DimensionValueAttributes", ())
        if (name := one.get("Attributes", {}).get("description"))
    }


def service(key: str) -> str:
    """The FOCUS ServiceName of a value of the dimension SERVICE."""
    return SERVICES.get(key, key) or NONE


def region(key: str) -> str:
    """The FOCUS RegionId of a value of the dimension REGION."""
    return NONE if key in _NOWHERE else key


def _results(pages: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for page in pages:
        yield from page["ResultsByTime"]


def _group(
    result: Mapping[str, Any],
    keys: tuple[str, ...],
    amounts: Mapping[str, Mapping[str, str]],
    metrics: Metrics,
) -> Group:
    day = date.fromisoformat(result["TimePeriod"]["Start"])
    billed, currency = _amount(amounts, metrics.billed, day)
    effective, other = _amount(amounts, metrics.effective, day)
    if currency != other:
        raise CollectError(
            f"{day}: {metrics.billed} is in {currency}, but {metrics.effective} in {other}"
        )
    return Group(day, keys, billed, effective, currency, bool(result.get("Estimated")))


def _amount(
    amounts: Mapping[str, Mapping[str, str]], metric: str, day: date
) -> tuple[Decimal, str]:
    try:
        amount, unit = Decimal(amounts[metric]["Amount"]), amounts[metric]["Unit"]
    except KeyError as error:
        raise CollectError(f"{day}: the answer holds no {error} of {metric}") from error
    except InvalidOperation as error:
        text = amounts[metric]["Amount"]
        raise CollectError(f"{day}: {metric} is {text!r}, which is no number") from error
    if not amount.is_finite():
        raise CollectError(f"{day}: {metric} is {amount}, which is no amount")
    return amount, unit
