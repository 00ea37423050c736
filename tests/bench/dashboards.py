"""How long panels wait: every query of every dashboard, on a Prometheus with 20,000 series.

It holds 35 days of what rules record: months by place every hour, because panels draw them, and the
rest once a day. Queries are asked as Grafana asks them; the slowest one counts.
"""

from __future__ import annotations

import subprocess
import tempfile
from datetime import timedelta
from itertools import product
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Final

from dashboard_files import PROMETHEUS, committed
from integration.dashboard_asking import DAYS, ask, opened
from integration.dashboard_history import MOMENT, Answers
from integration.scraping import prometheus
from integration.test_backfill import KEEP
from rule_files import RECORDINGS

from .harness import NotMeasured, bar, say, within
from .processes import UnavailableError, program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dashboard_variables import Value

    from .harness import Result

LIMIT_SECONDS: Final = 1.0
ROUNDS: Final = 3
OFTEN, RARELY = timedelta(hours=1), timedelta(days=1)
LOOKBACK: Final = "--query.lookback-delta=25h"

CHOICES: Final[tuple[dict[str, Value], ...]] = (
    {},
    {"provider": ("aws",)},
    {"region": ("region-0", "region-1")},
    {"tenant": ("tenant-0", "tenant-1")},
)

PLACES: Final = "provider_account_service_region:"
DRAWN: Final = f"{PLACES}cloud_cost_monthly_usd:sum"

SIZES: Final = {
    "provider": ("provider", ("aws", "gcp", "azure")),
    "service": ("service", tuple(f"Service {number}" for number in range(30))),
    "region": ("region", tuple(f"region-{number}" for number in range(5))),
    "tenant": ("tenant_id", tuple(f"tenant-{number}" for number in range(50))),
    "model": ("model", ("*", "a", "b", "c")),
    "budget": ("budget", tuple(f"budget-{number}" for number in range(20))),
    "team": ("team", ("data", "web", "shop")),
    "environment": ("environment", ("production", "staging")),
    "collector": ("collector", ("one", "two")),
    "api": ("api", ("cost_explorer",)),
    "since": ("since", ("2026-01-01",)),
    "month": ("month", ("2026-10", "2026-11")),
    "report": ("report_type", ("weekly", "daily")),
    "direction": ("direction", ("input", "output", "cache_read")),
    "state": ("state", ("ok", "warning", "exceeded")),
}
"""The labels that the words of a recording's level stand for, and their values."""

MORE: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "cloud_cost_daily_usd": {"day_offset": ("1", "2", "8")},
    "cloud_cost_usage_daily_usd": {"day_offset": ("1", "2", "8")},
    "30d_usd": {"window": ("current", "previous")},
    "per_customer_usd": {"window": ("current", "previous")},
    "cloud_cost_forecast": {"horizon": ("month_end", "30d", "90d")},
    "cloud_budget_": {"budget_period": ("current",)},
}
"""Labels that no word of the level tells, by a part of the name."""


def rows(*, quick: bool) -> Iterator[Result]:
    """The slowest query with all chosen, with one provider, with some regions or tenants."""
    accounts = 1 if quick else 7  # of each provider, with 150 places each
    name = "the slowest query of a panel"
    try:
        promtool = program("prometheus", "promtool")
        program("prometheus", "prometheus")
    except UnavailableError as error:
        yield NotMeasured(name, "limit", str(error))
        return
    say("dashboards")
    with tempfile.TemporaryDirectory() as folder:
        series = _fill(Path(folder), promtool, accounts)
        with prometheus(Path(folder), None, options=[KEEP, LOOKBACK]) as server:
            seconds, which = _slowest(Answers(server))
    say(f"the slowest query of a panel: {which}")
    slack = bar(1, "at most", quick=quick)
    yield within(f"{name}, of {series:,} series", seconds, LIMIT_SECONDS, "seconds", slack=slack)


def _slowest(server: Answers) -> tuple[float, str]:
    """The median seconds of the query that takes longest, and which it is."""
    found = []
    for board in committed():
        known = {one.name for one in board.variables}
        for given in (one for one in CHOICES if set(one) <= known):
            chosen = opened(board, server, given)
            for panel, target in board.queries:
                if target.source_type == PROMETHEUS:
                    taken = []
                    for _ in range(ROUNDS):
                        began = perf_counter()
                        ask(board, panel, target, server, chosen)
                        taken.append(perf_counter() - began)
                    what = f"{board.uid}, {panel.title} {target.ref_id}, {given or 'all'}"
                    found.append((median(taken), what))
    return max(found)


def _fill(folder: Path, promtool: Path, accounts: int) -> int:
    """Make blocks of all recordings, and return how many series they are."""
    series, file = 0, folder / "recorded.om"
    last = int(MOMENT.replace(minute=0).timestamp())
    with file.open("w", encoding="utf-8") as out:
        for name in dict.fromkeys(rule.name for rule in RECORDINGS):
            step = OFTEN if name == DRAWN else RARELY
            seconds = int(step.total_seconds())
            times = range(last - DAYS * 86_400, last + 1, seconds)
            for labels in _labels(name, accounts):
                series += 1
                level = series * 7919 % 10_007 / 10
                out.writelines(
                    f"{name}{labels} {level + n % 11} {t}\n" for n, t in enumerate(times)
                )
        out.write("# EOF\n")
    command = (promtool, "tsdb", "create-blocks-from", "--max-block-duration=1536h")
    subprocess.run(
        [*command, "openmetrics", file, folder / "prometheus"],
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=300,
    )
    file.unlink()
    return series


def _labels(name: str, accounts: int) -> Iterator[str]:
    level = name.partition(":")[0]
    wanted = [SIZES[word] for word in level.split("_") if word in SIZES]
    if "account" in level.split("_"):
        wanted.append(("account_id", tuple(f"account-{number}" for number in range(accounts))))
    for part, labels in MORE.items():
        wanted += [one for one in labels.items() if part in name]
    names = [label for label, _ in wanted]
    for values in product(*(values for _, values in wanted)):
        inside = ",".join(f'{label}="{text}"' for label, text in zip(names, values, strict=True))
        yield f"{{{inside}}}"
