"""What the drills share: one budget that is overspent, and that nobody hears of it twice."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from e2e.hearing import EVERYBODY, OVER, SIGNS, TEAM, Hearing
from integration.bills import charge, write_bill

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


@dataclass
class Incident:
    """The one incident of the overspent budget, and all that was ever told."""

    stack: Stack
    key: str
    told: int

    @classmethod
    def begun(cls, stack: Stack) -> Incident:
        """Overspend, and wait until everybody was told."""
        hearing = Hearing(stack.receivers)
        bill(stack.folder, "1041")
        _, messages = hearing.firing(ABOUT, EVERYBODY)
        evaluated(stack)
        found = cls(stack, messages["pagerduty"].key.removesuffix(" trigger"), len(EVERYBODY))
        found.goes_on()
        return found

    def goes_on(self, again: int = 0, warned: int = 0) -> None:
        """It is open, and nobody was told anything else; of it at most `again` times more.

        The warning that it mutes was told to the team at most `warned` times so far, and to nobody
        else.
        """
        pagerduty = self.stack.receivers.pagerduty
        assert pagerduty.open == {self.key}, pagerduty.open
        told = {(one.payload.group, one.event_action, one.dedup_key) for one in pagerduty.events}
        assert told == {(ALERT, "trigger", self.key)}, told
        assert len(self.stack.alerts(ALERT)) == 1
        found = list(self._heard())
        worst = [line for line in found if line.endswith(f"🔴 {ABOUT}")]
        others = sorted(line for line in found if line not in worst)
        assert len(worst) <= self.told + again * len(EVERYBODY), found
        assert others in [
            sorted([f"{one}: 🟠 {ABOUT}" for one in TEAM] * n) for n in range(warned + 1)
        ]
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
        assert self.stack.receivers.pagerduty.open == set()

    def _heard(self) -> Iterator[str]:
        """The first line of each alert in each message since the beginning of the stack."""
        everything = Hearing(self.stack.receivers)
        everything.rewind()
        for message in everything.messages():
            for line in message.text.splitlines():
                if line.startswith((*SIGNS, OVER)):
                    yield f"{message.where}: {line}"
