"""Ten clients scrape ten thousand times while the store changes and the page is built anew."""

from __future__ import annotations

import asyncio
import re
import threading
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from aiohttp import ClientSession

from finops_exporter.exposition.exposition import Exposition
from integration.feeding import NOW, cost, swap
from integration.test_http_robustness import open_files
from integration.test_snapshot import plain
from unit.web.support import LOOPBACK, OPTIONS, VIEWS, serving

if TYPE_CHECKING:
    from finops_exporter.store.database import Database

CLIENTS = 10
SCRAPES = 1_000
SHOWN = re.compile(rb"^aws_cost_(monthly|daily)_usd\{.*\} ([0-9.]+)$", re.MULTILINE)
OPENMETRICS = "application/openmetrics-text;version=1.0.0"
ASKED = (
    {"Accept": OPENMETRICS, "Accept-Encoding": "gzip"},
    {"Accept": "text/plain", "Accept-Encoding": "gzip"},
    {"Accept": OPENMETRICS, "Accept-Encoding": "identity"},
    {"Accept": "text/plain", "Accept-Encoding": "identity"},
)
COVERED = {"aws": datetime(2026, 11, 21, tzinfo=UTC)}


def move(database: Database, step: int) -> None:
    """Two accounts that are new each time always add up to 100."""
    share = step % 99 + 1
    rows = [
        cost("2026-11-20", str(share), account_id=f"a{step}"),
        cost("2026-11-20", str(100 - share), account_id=f"b{step}"),
    ]
    swap(database, rows, covered_until=COVERED)


def check(body: bytes, asked: dict[str, str]) -> None:
    shown: dict[bytes, list[Decimal]] = {b"monthly": [], b"daily": []}
    for family, amount in SHOWN.findall(body):
        shown[family].append(Decimal(amount.decode()))
    assert {family: (len(found), sum(found)) for family, found in shown.items()} == {
        b"monthly": (2, 100),
        b"daily": (2, 100),
    }
    assert body.endswith(b"\n# EOF\n") == (asked["Accept"] == OPENMETRICS)


def test_ten_thousand_scrapes_during_refreshes_each_see_one_state(database: Database) -> None:
    exposition = Exposition(database, plain())
    move(database, 0)
    exposition.refresh(NOW)
    done = threading.Event()
    refreshes = 0

    def refresh_forever() -> None:
        nonlocal refreshes
        while not done.is_set():
            refreshes += 1
            move(database, refreshes)
            exposition.refresh(NOW)

    async def scrape(session: ClientSession, url: str, number: int) -> None:
        for turn in range(SCRAPES):
            asked = ASKED[(number + turn) % len(ASKED)]
            async with session.get(url, headers=asked) as answer:
                assert answer.status == 200
                check(await answer.read(), asked)

    async def go() -> None:
        views = replace(VIEWS, page=lambda: exposition.page)
        async with serving(views, OPTIONS) as listener, ClientSession() as session:
            url = f"http://{LOOPBACK}:{listener.port}/metrics"
            await asyncio.gather(*(scrape(session, url, number) for number in range(CLIENTS)))

    before = open_files()
    refresher = threading.Thread(target=refresh_forever)
    refresher.start()
    try:
        asyncio.run(go())
    finally:
        done.set()
        refresher.join()
    assert refreshes >= 20
    assert exposition.problem is None
    assert f'account_id="a{refreshes}"'.encode() in b"".join(exposition.page.text.identity)
    assert open_files() <= before + 2  # connections of the pool
