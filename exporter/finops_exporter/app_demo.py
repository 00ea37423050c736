"""The composition root of the demo: what is made up, and how it comes into a store of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finops_exporter import demo
from finops_exporter.ai_budget.pricing import PriceList
from finops_exporter.ai_model import ALL_MODELS, Terms
from finops_exporter.api_token import ApiToken, issue, split
from finops_exporter.app import collect_once, sources, store_of, utc_now
from finops_exporter.config import load
from finops_exporter.errors import FinopsError
from finops_exporter.model import Progress
from finops_exporter.store import ai_budgets, ai_usage, tokens
from finops_exporter.store.embedded import default_data_dir
from finops_exporter.store.ledger import Asked, decide
from finops_exporter.store.reads import snapshot_reader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from decimal import Decimal
    from pathlib import Path

    from finops_exporter.ai_model import Tokens
    from finops_exporter.config import Config
    from finops_exporter.one_run import Report
    from finops_exporter.store.ai_usage import Added
    from finops_exporter.store.database import Connection, Database


DEMO_NAME = "demo"
"""What the demo's source is called, and the token that the demo makes."""


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo that was made and collected; `ai` is what its tenants were given of AI calls.

    `token_file` has a token of the API that may do everything.
    """

    config_file: Path
    config: Config
    reports: list[Report]
    ai: Added
    token_file: Path


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the demo is served, host:port."""

    pages: str
    api: str


def make_demo(
    folder: Path | None,
    listen: Addresses,
    env: Mapping[str, str],
    progress: Callable[[str, Progress], None],
    url_file: Path | None = None,
) -> Demo:
    """Write the demo's bills and its configuration below `folder`, and collect them for real.

    They go into the database whose URL stands in `url_file`, or else into an embedded one. Raises
    FinopsError when that database has other bills, or tenants of before the demo.
    """
    home = (folder or default_data_dir(env).parent / "demo").absolute()
    bills = home / "billing"
    now = utc_now()
    try:
        bills.mkdir(parents=True, exist_ok=True)
        demo.generate(
            now, bills, progress=lambda done, of: progress("demo", Progress("", done, of))
        )
        config_file = home / "config.yaml"
        text = demo.config_text(
            bills,
            listen=listen.pages,
            ai_listen=listen.api,
            data_dir=home / "postgres",
            url_file=url_file,
            budgets=demo.budgets(now),
        )
        config_file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise FinopsError(f"cannot write the demo below {home}: {error.strerror}") from error
    # Not with the caller's environment: DATABASE_URL would put invented money into a real store.
    config = load(config_file, {})
    with store_of(config, env) as database:
        _expect_nothing_else(database)
        reports = collect_once(database, sources(config), progress=progress)
        used = fill_ai(database, PriceList(config.ai.prices, config.ai.unknown_model), now)
        token_file = _token(database, home / "ai-token", now)
    return Demo(config_file, config, reports, used, token_file)


def _expect_nothing_else(database: Database) -> None:
    """Real money stays apart; what was tried in a demo's database may stay in it."""
    with snapshot_reader(database) as reader:
        known = {state.source for state in reader.source_states()}
    found = {"bills": sorted(known - {DEMO_NAME})}
    if DEMO_NAME not in known:
        with database.connection() as connection:
            found["AI tenants"] = ai_budgets.tenants(connection, 3)
        found["tokens of the API"] = [one.name for one in tokens.tokens(database)]
    for what, names in found.items():
        if names:
            raise FinopsError(
                f"the database {database.place} has {what} already (of {', '.join(names)}); "
                "the demo needs one of its own"
            )


def _token(database: Database, file: Path, now: datetime) -> Path:
    """Keep an admin's token in the file; one that is there already goes on to hold."""
    try:
        known = split(file.read_text(encoding="utf-8").strip()) if file.exists() else None
        if known and known[0] in {one.id for one in tokens.tokens(database)}:
            return file
        tokens.revoke(database, DEMO_NAME, now)
        made = issue()
        kept = ApiToken(made.id, DEMO_NAME, "admin", (), made.digest, now, None)
        tokens.create(database, kept, DEMO_NAME)
        file.touch(mode=0o600)
        file.write_text(f"{made.text}\n", encoding="utf-8")
    except OSError as error:
        raise FinopsError(f"cannot write the demo's token to {file}: {error.strerror}") from error
    return file


def fill_ai(database: Database, prices: PriceList, now: datetime) -> Added:
    """Set the budgets of the demo's tenants, and let them use AI until `now` (aware).

    Of a demo that was made before, it goes on from where that has ended.
    """

    def price(model: str, at: datetime, tokens: Tokens) -> tuple[Decimal, str]:
        # By the hour: it is the same price, and asked for much less often.
        found = prices.find(model, at.replace(minute=0, second=0, microsecond=0))
        if found is None:
            raise FinopsError(f"the demo's model {model!r} has no price")
        return found.cost(tokens), found.source

    with (
        database.connection() as connection,
        ai_usage.stage(connection) as stage,
        connection.transaction(),
    ):
        for change in demo.ai_budgets():
            ai_budgets.put(connection, change)
        stage.add(demo.ai_usage(now, price, _past(connection, now)))
        added = stage.store()
        decide(connection, [Asked("check", demo.refused_call(now, price))], Terms(), now)
    return added


def _past(connection: Connection, now: datetime) -> dict[str, tuple[datetime, Decimal]]:
    """The time of each tenant's newest call, and what it has used this month."""
    found = {}
    for state in ai_budgets.states(connection, now=now):
        tenant, model = state.budget.tenant_id, state.budget.model
        if model == ALL_MODELS and (newest := ai_usage.last_calls(connection, tenant, 1)):
            found[tenant] = (newest[0].time, state.used_usd)
    return found
