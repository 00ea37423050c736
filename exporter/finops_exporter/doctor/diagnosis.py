"""What the command does: the checks of a configuration and of its database, and the rebuilding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finops_exporter import app
from finops_exporter.collectors import lacking
from finops_exporter.doctor import installation
from finops_exporter.doctor.bookkeeping import Planned
from finops_exporter.doctor.examination import REACH, Expected, examine, not_checked
from finops_exporter.doctor.findings import Finding, problem
from finops_exporter.errors import ConfigError, StoreError
from finops_exporter.model import Progress
from finops_exporter.store import checks
from finops_exporter.store.embedded import EmbeddedPostgres, default_data_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from finops_exporter.config import Config
    from finops_exporter.exposition.families import Settings


def diagnose(
    config: Config,
    env: Mapping[str, str],
    *,
    quick: bool,
    progress: Callable[[Progress], object] = lambda _step: None,
) -> list[Finding]:
    """What all checks say of the configuration and of its database; changes nothing."""
    names = [entry.name for entry in config.collectors]
    found = installation.configuration(names, config.warnings(), _mistakes(config))
    if config.database.url is None:
        folder = config.database.data_dir or default_data_dir(env)
        if not EmbeddedPostgres(folder).exists:
            text = f"there is no embedded database in {folder} yet"
            remedy = "finops-exporter collect --once makes it; or set database.url"
            found.append(problem("database", text, remedy))
            return [*found, *not_checked(found)]
    planned = {entry.name: Planned(entry.interval, entry.timeout) for entry in config.collectors}
    expected = Expected(
        planned,
        config.database.pool_size,
        app.utc_now,
        quick,
        _settings(config),
        config.configured_budgets(),
        config.ai.usage_retention,
    )
    try:
        with app.database_of(config, env) as database:
            return [*found, *examine(database, expected, progress)]
    except StoreError as error:  # an embedded server that does not start, a URL that is none
        found.append(problem("database", str(error), REACH))
        return [*found, *not_checked(found)]


def rebuild(
    config: Config,
    env: Mapping[str, str],
    progress: Callable[[Progress], object] = lambda _step: None,
) -> list[checks.Rebuilt]:
    """Make the rollups what the facts say; raises FinopsError when there is no schema of ours."""
    tables = [rollup.table for rollup in checks.ROLLUPS]
    with app.readable_store_of(config, env) as database:
        return checks.rebuild(
            database,
            app.utc_now(),
            lambda table: progress(Progress(table, tables.index(table), len(tables))),
        )


def _settings(config: Config) -> Settings | None:
    """What the metrics know of the configuration; None where it is wrong."""
    try:
        return app.settings(config, app.sources(config))
    except ConfigError:
        return None


def _mistakes(config: Config) -> list[str]:
    """What is wrong with the sources' own options, and what is not installed for them."""
    kinds = dict.fromkeys(entry.type for entry in config.collectors)
    found = [text for kind in kinds if (text := lacking(kind))]
    try:
        app.sources(config)
    except ConfigError as error:
        found += str(error).splitlines()
    return found
