"""The disk of PostgreSQL is full: reads go on, nothing is lost, and who is told is told rightly."""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from e2e.drilling import ALERT, Incident, bill, evaluated, sections
from e2e.hearing import PAGED, TEAM, Hearing
from e2e.small_disk import small_disk
from e2e.stack import Stack, Wishes
from integration.api_processes import PRICES, a_token
from integration.bills import charge, write_bill
from integration.processes import invoke, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.small_disk import SmallDisk

PRICE = Decimal("0.01")
"""Of a call that uses 1,000 tokens at most."""

LEDGER = {"AILedgerErrors", "AILedgerDown"}

SERVICES = [f"Service {number}" for number in range(4000)]
"""Of a bill that is larger than the room which is left in pages that are there already."""

YESTERDAY = str(datetime.now(UTC).date() - timedelta(days=1))
STALE = "Source bill was not read for three intervals"
ERRORS = "of AI calls get no answer from the ledger"


@pytest.fixture(scope="module")
def disk() -> Iterator[tuple[SmallDisk, str]]:
    with small_disk() as found:
        yield found


@pytest.fixture(scope="module")
def stack(disk: tuple[SmallDisk, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("disk")
    bill(folder, "500")
    ai = {"listen": "127.0.0.1:0", "prices": PRICES}
    source = {"name": "bill", "paths": [str(folder / "*.csv")]}
    wishes = Wishes([source], {**sections(), "ai": ai})
    with Stack(wishes, folder, disk[1]) as found:
        yield found
        assert found.receivers.refused == []


class Caller:
    """Asks for AI calls, and knows what was granted."""

    def __init__(self, stack: Stack) -> None:
        self._port = stack.exporters[0].api_port
        self._headers = {"Authorization": f"Bearer {a_token(stack.config)}"}
        self._asked = 0
        self.granted = 0
        budget = {"tenant_id": "acme", "monthly_limit_usd": 1_000_000}
        until(lambda: self._ask("set", budget)[0] == 200, "the new token is known")

    def call(self) -> int:
        """The status of the answer to one call more, of PRICE at most."""
        self._asked += 1
        call = {"request_id": f"call-{self._asked}", "tenant_id": "acme", "model": "small"}
        status, _ = self._ask("check", {**call, "input_tokens": 500, "max_output_tokens": 500})
        self.granted += status == 200
        return status

    @contextmanager
    def calling(self) -> Iterator[list[int]]:
        """Go on calling meanwhile; the statuses of the answers."""
        statuses: list[int] = []
        ended = threading.Event()

        def call() -> None:
            while not ended.wait(0.05):
                statuses.append(self.call())

        thread = threading.Thread(target=call)
        thread.start()
        try:
            yield statuses
        finally:
            ended.set()
            thread.join()

    def reserved(self) -> Decimal:
        """What the ledger holds for calls under way."""
        _, answer = self._ask("tenant/acme", None)
        (budget,) = answer["budgets"]
        return Decimal(str(budget["reserved_usd"]))

    def _ask(self, path: str, body: dict[str, object] | None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {**self._headers, "Content-Type": "application/json"}
        url = f"http://127.0.0.1:{self._port}/api/ai-budget/{path}"
        try:
            with urlopen(Request(url, data, headers), timeout=30) as answer:
                return answer.status, json.load(answer)
        except HTTPError as refused:
            return refused.code, json.load(refused)


@pytest.fixture(scope="module")
def incident(stack: Stack) -> Incident:
    """It has begun before, and goes on."""
    return Incident.begun(stack)


@pytest.fixture(scope="module")
def caller(stack: Stack) -> Caller:
    found = Caller(stack)
    assert found.call() == 200
    return found


def open_incidents(stack: Stack) -> dict[str, str]:
    """The keys of incidents that are open, by their alerts."""
    pagerduty = stack.receivers.pagerduty
    return {
        event.payload.group: event.dedup_key
        for event in pagerduty.events
        if event.dedup_key in pagerduty.open
    }


def month(stack: Stack) -> float:
    """What the page says of the month."""
    page = stack.exporters[0].get("/metrics")
    lines = re.findall(r"^aws_cost_monthly_usd\{.*\} (\S+)$", page, re.MULTILINE)
    return round(sum(map(float, lines)), 9)  # thousands of floats, which are exact in the store


def test_a_bill_that_finds_no_room_is_told_and_all_values_stay(
    stack: Stack, disk: tuple[SmallDisk, str], incident: Incident, caller: Caller
) -> None:
    assert caller.granted == 1
    disk[0].fill()
    hearing = Hearing(stack.receivers)
    more = [charge(YESTERDAY, "0.01", SubAccountId="100", ServiceName=one) for one in SERVICES]
    write_bill(stack.folder / "more.csv", *more)
    hearing.firing(STALE, TEAM)
    assert month(stack) == 1041
    shown = ("sources", "--config", stack.config)
    until(lambda: "No space left on device" in invoke(*shown).output, "the reason is shown", 60)
    assert open_incidents(stack)[ALERT] == incident.key


def test_no_ai_call_is_granted_that_is_not_written_down_and_somebody_is_paged(
    stack: Stack, incident: Incident, caller: Caller
) -> None:
    hearing = Hearing(stack.receivers)
    assert until(lambda: caller.call() == 503, "the ledger finds no room", 60)
    with caller.calling() as statuses:
        _, messages = hearing.firing(ERRORS, PAGED)
    assert set(statuses) <= {200, 503}
    key = messages["pagerduty"].key.removesuffix(" trigger")
    found = open_incidents(stack)
    # A ledger that cannot write counts as down, until its database answers the next question.
    found.pop("AILedgerDown", None)
    assert found == {ALERT: incident.key, "AILedgerErrors": key}
    assert month(stack) == 1041


def test_with_room_again_all_goes_on_and_nothing_was_lost(
    stack: Stack, disk: tuple[SmallDisk, str], incident: Incident, caller: Caller
) -> None:
    hearing = Hearing(stack.receivers)
    disk[0].free()
    with caller.calling():
        _, ends = hearing.over(ERRORS, PAGED)
        hearing.over(STALE, TEAM)
    assert ends["pagerduty"].key.endswith(" resolve")
    until(lambda: month(stack) == 1041 + 40, "the bill is on the page")
    assert caller.reserved() == caller.granted * PRICE
    evaluated(stack)
    events = stack.receivers.pagerduty.events
    until(lambda: open_incidents(stack) == {ALERT: incident.key}, "the ledger's incidents are over")
    assert [event.event_action for event in events if event.dedup_key == incident.key] == [
        "trigger"
    ]
    assert {event.payload.group for event in events} - LEDGER == {ALERT}
