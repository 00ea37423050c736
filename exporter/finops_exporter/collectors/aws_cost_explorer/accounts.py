"""The accounts of the organisation: how many there are, and their names; asking is free."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from finops_exporter.collectors.aws_access import RefusedError, code, message
from finops_exporter.collectors.aws_cost_explorer.answers import PROVIDER
from finops_exporter.errors import CollectError
from finops_exporter.model import Account, Api, Notice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from finops_exporter.collectors import Ask
    from finops_exporter.collectors.aws_access import Clients
    from finops_exporter.collectors.aws_cost_explorer.options import CostExplorerOptions
    from finops_exporter.model import Task

ORGANIZATIONS = Api("aws", "organizations:ListAccounts")


class Accounts:
    """What AWS Organizations says, unless the options say not to ask it."""

    def __init__(self, options: CostExplorerOptions, clients: Clients) -> None:
        self._options = options
        self._clients = clients
        self.known = max(1, len(options.accounts))
        """How many accounts there are, as far as anybody has said: at least 1."""

    def count(self, ask: Ask) -> None:
        """Ask how many there are, unless the options say it; a failure leaves it unknown."""
        if self._options.accounts or not self._options.account_names:
            return
        with suppress(CollectError, ClientError):
            self.known = max(1, len(self._listed(ask)))

    def named(self, task: Task, ask: Ask) -> Iterator[Account | Notice]:
        """The accounts with their names, or why they have none; costs are read all the same."""
        if not self._options.account_names:
            return
        try:
            listed = self._listed(ask)
        except RefusedError as error:
            yield Notice("no_account_names", str(error))
            return
        except ClientError as error:
            text = f"AWS Organizations gives no names: {message(error)} ({code(error)})"
            yield Notice("no_account_names", text)
            return
        for account in listed:
            yield Account(PROVIDER, account["Id"], account["Name"], named_on=task.now.date())

    def _listed(self, ask: Ask) -> list[Mapping[str, str]]:
        found: list[Mapping[str, str]] = []
        page = self._page(ask)
        found += page["Accounts"]
        while token := page.get("NextToken"):
            page = self._page(ask, NextToken=token)
            found += page["Accounts"]
        return found

    def _page(self, ask: Ask, **token: str) -> dict[str, Any]:
        page: dict[str, Any] = self._clients.call(
            ask,
            ORGANIZATIONS,
            "organizations",
            lambda client: client.list_accounts(**token),
            member="Accounts",
        )
        return page
