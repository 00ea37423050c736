"""Asks Cost Explorer one question at a time and follows the pages of its answer."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from finops_exporter.collectors.aws_access import code, message
from finops_exporter.errors import CollectError
from finops_exporter.model import Api

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from finops_exporter.collectors import Ask
    from finops_exporter.collectors.aws_access import Clients

COST_EXPLORER = Api("aws", "ce:GetCostAndUsage", Decimal("0.01"))
"""Each page is a request; AWS charges one cent for it."""

_BEGINS_AGAIN = frozenset({"RequestChangedException", "InvalidNextTokenException"})
"""The pages no longer fit together: what was read of this answer is of no use."""

_TRIES = 3

_NO_DAYS = frozenset({"BillExpirationException", "DataUnavailableException", "ValidationException"})


class NoDaysError(CollectError):
    """Cost Explorer does not have, or does not give, these days."""


class Pages:
    """The answers to one run's questions; `count` is how many pages came."""

    def __init__(self, source: str, clients: Clients, ask: Ask) -> None:
        self._source = source
        self._clients = clients
        self._ask = ask
        self.count = 0

    def of(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """All pages of the answer; raises NoDaysError, or CollectError for all else.

        They are given together: when Cost Explorer loses its place, it is asked anew.
        """
        for attempt in range(1, _TRIES + 1):
            try:
                return list(self._followed(body))
            except ClientError as error:
                if code(error) not in _BEGINS_AGAIN or attempt == _TRIES:
                    raise self._explained(error, body) from error
        raise AssertionError("the last try returns or raises")

    def _followed(self, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Page after page; the SDK has no paginator for this operation."""
        seen: set[str] = set()
        page = self._page(body)
        yield page
        while token := page.get("NextPageToken"):
            if token in seen:
                raise CollectError(
                    f"{self._source}: Cost Explorer gave the same page token twice; its pages would"
                    " never end"
                )
            seen.add(token)
            page = self._page({**body, "NextPageToken": token})
            yield page

    def _page(self, body: Mapping[str, Any]) -> dict[str, Any]:
        page: dict[str, Any] = self._clients.call(
            self._ask,
            COST_EXPLORER,
            "ce",
            lambda client: client.get_cost_and_usage(**body),
            member="ResultsByTime",
        )
        self.count += 1
        return page

    def _explained(self, error: ClientError, body: Mapping[str, Any]) -> CollectError:
        days = body["TimePeriod"]
        text = (
            f"{self._source}: Cost Explorer, {days['Start']} until {days['End']}: {message(error)}"
            f" ({code(error)})"
        )
        if code(error) in _NO_DAYS:
            return NoDaysError(
                f"{text}; if these days are too old, lower history_months; if Cost Explorer was "
                "switched on today, it has data tomorrow"
            )
        return CollectError(text)
