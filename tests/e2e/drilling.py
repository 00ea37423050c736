"""One budget that is overspent, its bill, and that nobody hears of it twice."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from e2e.hearing import EVERYBODY, OVER, SIGNS, TEAM, Hearing
from integration.bills import charge, write_bill
from integration.processes import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from e2e.stack import Stack

ALERT = "BudgetExceededCritical"
ABOUT = "Budget Alert: shop"
BUDGET = {
    "name": "shop",
    "scope": "account",
    "value": "100",
    "amount": 1000,
    "period": "monthly",
    "thresholds": [80, 100],
    "owner": "web team",
}
ORGANIZATION = {"name": "all", "scope": "organization", "amount": 1_000_000, "period": "monthly"}
"""Without one for all, it would be told that a provider has none."""

SETTLED = 9
"""Evaluations, a second each, after which a gap of now would have been told: the window of five
seconds, the second that a rule waits, and Alertmanager's waits."""


UNHURRIED = {"interval": "6s", "timeout": "1m"}
"""Of a source that is to be read in time on a slow machine too."""


def sections() -> dict[str, Any]:
    """The configuration's sections with that budget."""
    return {"budgets": [BUDGET, ORGANIZATION]}


def bill(folder: Path, amount: str) -> None:
    """What the provider says of yesterday, in a file that takes the place of the one before."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    write_bill(folder / "bill.csv", charge(str(yesterday), amount, SubAccountId="100"))


def evaluated(stack: Stack, times: int = SETTLED) -> None:
    """Wait until the rules were evaluated so many times more."""
    seen: set[str] = set()
    deadline = time.monotonic() + 60 + times
    while len(seen) <= times:
        try:
            seen |= {
                one["lastEvaluation"] for one in stack.prometheus.rules() if one["name"] == ALERT
            }
        except OSError:
            seen.clear()
        assert time.monotonic() < deadline, "the rules are not evaluated"
        time.sleep(0.1)


def calm(stack: Stack) -> None:
    """Wait until the bill was read and nothing fires: at the start, rules in a hurry may speak."""
    until(lambda: stack.ask('cloud_budget_spent_usd{budget="shop"}'), "the bill was read", 60)
    fires = 'ALERTS{alertstate="firing",alertname!="FinOpsWatchdog"}'
    until(lambda: not stack.ask(fires), "nothing fires", 60)
    evaluated(stack, 3)


UNSEEN = ("The ledger of AI budgets is down", "finops-exporter is down")
"""What is told when Prometheus reaches no exporter."""


@dataclass
class Incident:
    """The one incident of the overspent budget, and all that was told since it began."""

    stack: Stack
    key: str
    hearing: Hearing
    told: int = len(EVERYBODY)

    @classmethod
    def begun(cls, stack: Stack) -> Incident:
        """Overspend, and wait until everybody was told."""
        calm(stack)
        hearing = Hearing(stack.receivers)
        bill(stack.folder, "1041")
        _, messages = hearing.firing(ABOUT, EVERYBODY)
        evaluated(stack)
        found = cls(stack, messages["pagerduty"].key.removesuffix(" trigger"), hearing)
        found.goes_on()
        return found

    def goes_on(self, again: int = 0, warned: int = 0) -> None:
        """It is open, and nobody was told anything else; of it at most `again` times more.

        The warning that it mutes was told to the team at most `warned` times so far, and to nobody
        else.
        """
        assert self.key in self.stack.receivers.pagerduty.open
        events = {one.key for one in self.hearing.heard(ABOUT) if one.where == "pagerduty"}
        assert events == {f"{self.key} trigger"}, events
        known = self.stack.alerts(ALERT)
        assert len(known) == 1, known
        found = list(self._heard())
        worst = [line for line in found if line.endswith(f"🔴 {ABOUT}")]
        # On a busy machine no scrape may be in time: then it is right that nobody is there.
        late = UNSEEN if self.stack.ask("min_over_time(max(up)[10m:1s]) == 0") else ()
        meant = [line for line in found if not any(words in line for words in late)]
        others = sorted(line for line in meant if line not in worst)
        assert len(worst) <= self.told + again * len(EVERYBODY), found
        allowed = [sorted(f"{one}: 🟠 {ABOUT}" for one in TEAM * n) for n in range(warned + 1)]
        assert others in allowed, others
        self.told = len(worst)

    def ends(self, seconds: float = 60) -> None:
        """Pay it back: everybody hears once that it is over."""
        hearing = Hearing(self.stack.receivers)
        bill(self.stack.folder, "700")
        self.is_over(hearing, seconds)

    def is_over(self, hearing: Hearing, seconds: float = 60) -> None:
        """Wait until everybody has heard of the end, once, under the same key."""
        deadline = time.monotonic() + seconds
        while {one.where for one in hearing.messages() if one.is_over(ABOUT)} < set(EVERYBODY):
            if time.monotonic() > deadline:
                pytest.fail("the end is not told to everybody")
            time.sleep(0.1)
        evaluated(self.stack)
        ends = [one for one in hearing.messages() if one.is_over(ABOUT)]
        assert {one.where for one in ends} == set(EVERYBODY)
        # The team hears of the end of the warning too, if it was told of it.
        (event,) = (one for one in ends if one.where == "pagerduty")
        (_,) = (one for one in ends if one.where == "leadership")
        assert event.key == f"{self.key} resolve"
        assert self.key not in self.stack.receivers.pagerduty.open

    def _heard(self) -> Iterator[str]:
        """The first line of each alert in each message."""
        for message in self.hearing.messages():
            for line in message.text.splitlines():
                if line.startswith((*SIGNS, OVER)):
                    yield f"{message.where}: {line}"
