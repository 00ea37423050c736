"""The configuration: one YAML file becomes one frozen value, or an error that names every mistake.

A source's own options stay raw here, so that nothing below the composition root knows the sources;
`options_of` turns them into the source's own model later, with the same kind of errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    SecretStr,
    SkipValidation,
    StrictBool,
)

from finops_exporter import values, yaml_source
from finops_exporter.ai_config import Ai
from finops_exporter.budget_config import BudgetConfig, mistakes, several
from finops_exporter.customer_config import Customers
from finops_exporter.explain import Place, validated, without_empty
from finops_exporter.model import COST_KEYS, Basis, Budget
from finops_exporter.postgres_config import WatchedDatabase
from finops_exporter.section import (
    AccountId,
    Count,
    Currency,
    Day,
    Duration,
    Name,
    Positive,
    Section,
    Text,
    account_id,
    looks_like,
)
from finops_exporter.yaml_source import Document, Hidden, KeyPath, Problem, key_text

if TYPE_CHECKING:
    from collections.abc import Iterator

M = TypeVar("M", bound=BaseModel)

QUERY_KEYS = frozenset((*COST_KEYS, "currency", "billed", "effective"))
"""What queries call the dimensions and the amounts of a cost; no tag may take such a name."""


def _free(tag: str) -> str:
    if tag in QUERY_KEYS:
        raise ValueError("is a name that queries use already; choose another for this tag")
    return tag


def _some(keys: tuple[str, ...]) -> tuple[str, ...]:
    if not keys:
        raise ValueError("needs a tag key at least")
    return keys


def tag_keys(value: object) -> object:
    """`team:` is short for `team: [team]`, and `team: squad` for `team: [squad]`."""
    if not isinstance(value, dict):
        return value
    short = {name: name if keys is None else keys for name, keys in value.items()}
    return {name: [keys] if isinstance(keys, str) else keys for name, keys in short.items()}


TagName = Annotated[
    str,
    looks_like("[a-z][a-z0-9_]*", "must be lower-case letters, digits and _, a letter first"),
    AfterValidator(_free),
]
TagKeys = Annotated[tuple[Text, ...], AfterValidator(_some)]


class Server(Section):
    """Where and how the metrics are served, and how often the store is asked whether it changed."""

    listen: Annotated[str, BeforeValidator(values.listen_address)] = "0.0.0.0:9836"
    telemetry_path: Annotated[str, AfterValidator(values.telemetry_path)] = "/metrics"
    web_config_file: Path | None = None
    show_version: StrictBool = False
    write_timeout: Positive = timedelta(seconds=30)
    max_connections: Count = Field(default=512, ge=1, le=65535)
    refresh: Positive = timedelta(seconds=10)
    max_series: Count = Field(default=50_000, ge=100)

    @property
    def address(self) -> tuple[str, int]:
        """Host (an IPv6 address without its brackets) and port (0: any free one)."""
        return values.host_and_port(self.listen)


class Log(Section):
    """What is logged (to standard error), and how it is written.

    Without a format, lines are readable on a terminal and JSON elsewhere.
    """

    level: Annotated[
        Literal["debug", "info", "warning", "error"], BeforeValidator(values.level)
    ] = "info"
    format: Literal["console", "json", "logfmt"] | None = None


class Database(Section):
    """The PostgreSQL server at `url`, or else an embedded one with its files in `data_dir`."""

    url: Annotated[SecretStr, AfterValidator(values.database_url)] | None = None
    data_dir: Path | None = None
    pool_size: Count = Field(default=4, ge=2, le=64)


class Rate(Section):
    """From this day (UTC) on, one unit of the currency is worth `usd` US dollars."""

    since: Day = Field(alias="from")
    usd: Decimal = Field(gt=0, max_digits=30)


class Billing(Section):
    """How costs are counted."""

    basis: Basis = "billed"
    period_hold_days: Count = Field(default=5, ge=0, le=28)
    rates: dict[Currency, tuple[Rate, ...]] = Field(default_factory=dict)

    def rate(self, currency: str, on: date) -> Decimal | None:
        """How many USD one unit of `currency` is worth on the day `on`; None: not known."""
        if currency == "USD":
            return Decimal(1)
        known = [rate for rate in self.rates.get(currency, ()) if rate.since <= on]
        return max(known, key=lambda rate: rate.since).usd if known else None


class Anomalies(Section):
    """How days are judged (docs/analysis.md)."""

    method: Literal["weekday_median", "zscore", "iqr"] = "weekday_median"


class Forecasts(Section):
    """How periods are forecast (docs/analysis.md)."""

    method: Literal["weekday_profile", "linear"] = "weekday_profile"


class AccountConfig(Section):
    """What people call an account, and who answers for it."""

    provider: Name
    id: AccountId
    name: Text | None = None
    owner: Text | None = None


class CollectorConfig(Section):
    """One source: what all have in common, and its own options, raw; see `options_of`."""

    type: Name
    name: Name = Field(default_factory=lambda data: data["type"])
    interval: Positive = timedelta(hours=6)
    timeout: Positive = timedelta(hours=1)
    lag: Duration | None = None
    daily_cap_usd: Annotated[Decimal, Field(gt=0, max_digits=12)] | None = None
    options: SkipValidation[Mapping[str, object]] = Field(default_factory=dict)
    place: SkipValidation[Place] = Field(default=Place(Document("configuration")), exclude=True)


COMMON_KEYS = tuple(
    name for name in CollectorConfig.model_fields if name not in ("options", "place")
)
"""The keys that every source has; all others are its own options."""


class Config(Section):
    """The whole file."""

    server: Server = Server()
    log: Log = Log()
    database: Database = Database()
    billing: Billing = Billing()
    tags: Annotated[dict[TagName, TagKeys], BeforeValidator(tag_keys)] = Field(
        default_factory=lambda: {
            "team": ("team",),
            "project": ("project",),
            "environment": ("environment", "env"),
        }
    )
    anomalies: Anomalies = Anomalies()
    forecasts: Forecasts = Forecasts()
    accounts: tuple[AccountConfig, ...] = ()
    budgets: tuple[BudgetConfig, ...] = ()
    customers: Customers = Customers()
    postgres: tuple[WatchedDatabase, ...] = ()
    ai: Ai = Ai()
    collectors: tuple[CollectorConfig, ...] = ()

    def configured_budgets(self) -> tuple[Budget, ...]:
        """The budgets of the file."""
        basis = self.billing.basis
        return tuple(one.budget(basis, is_configured=True) for one in self.budgets)

    def warnings(self) -> list[str]:
        """What is allowed but hardly meant, a sentence each."""
        found = []
        if not self.collectors:
            found.append("collectors: none is configured, so no cost will be read")
        found += [
            f"collectors[{index}]: timeout is longer than interval, so runs may be skipped"
            for index, collector in enumerate(self.collectors)
            if collector.timeout > collector.interval
        ]
        found += several(self.budgets)
        if "USD" in self.billing.rates:
            found.append("billing.rates.USD: has no effect, a US dollar is always worth 1")
        if self.database.url and self.database.data_dir:
            found.append("database.data_dir: has no effect, because a database URL is given")
        return found


def load(path: Path, env: Mapping[str, str]) -> Config:
    """The configuration in the file `path`; `env` are the environment variables.

    Raises ConfigError with all problems of the file, one a line.
    """
    return _config(yaml_source.read(path, env), env)


def default(env: Mapping[str, str]) -> Config:
    """The configuration without a file: every default, no collectors. Raises ConfigError."""
    return _config(Document("default configuration"), env)


def options_of(collector: CollectorConfig, model: type[M]) -> M:
    """The collector's own options as its own model; raises ConfigError like `load`."""
    raw = without_empty(model, collector.options)
    return validated(model, raw, collector.place, also=COMMON_KEYS)


def _config(document: Document, env: Mapping[str, str]) -> Config:
    raw: dict[str, Any] = dict(document.value)
    problems = [*document.problems, *_repeated(raw), *_unfit_budgets(raw)]
    database = raw.get("database") or {}
    if isinstance(database, dict) and (url := env.get("DATABASE_URL")):
        raw["database"] = database | {"url": Hidden(url, "environment variable DATABASE_URL")}
        problems = [problem for problem in problems if problem.path != ("database", "url")]
    if isinstance(raw.get("collectors"), list):
        raw["collectors"] = [
            _split(item, Place(document, ("collectors", index)))
            for index, item in enumerate(raw["collectors"])
        ]
    return validated(Config, raw, Place(document), problems=problems)


def _split(item: object, place: Place) -> object:
    """A collector's common keys, with its own ones set apart."""
    if not isinstance(item, dict):
        return item
    common = {key: value for key, value in item.items() if key in COMMON_KEYS}
    own = {key: value for key, value in item.items() if key not in COMMON_KEYS}
    return common | {"options": own, "place": place}


def _repeated(raw: Mapping[str, Any]) -> Iterator[Problem]:
    """What may be given once only. Looks at raw values: another mistake must not hide these."""
    first: dict[object, KeyPath] = {}
    for path, identity, what in _identities(raw):
        if earlier := first.get(identity):
            yield Problem(path, f"{what} as {key_text(earlier)}")
        else:
            first[identity] = path


def _unfit_budgets(raw: Mapping[str, Any]) -> Iterator[Problem]:
    """Budgets whose keys do not fit together, or the rest of the file."""
    given = raw.get("tags")
    tags = given if isinstance(given, dict) else Config().tags
    currencies = _rates(raw)
    for index, item in _mappings(raw.get("budgets")):
        for key, text in mistakes(item, tags, currencies):
            yield Problem(("budgets", index, key), text)


def _identities(raw: Mapping[str, Any]) -> Iterator[tuple[KeyPath, object, str]]:
    """Where something stands, what it must not have in common with another, and the complaint."""
    for index, item in _mappings(raw.get("collectors")):
        key = "name" if item.get("name") else "type"
        if isinstance(name := item.get(key), str):
            path = ("collectors", index, key)
            yield path, ("collector", name), "gives the collector the same name"
    for index, item in _mappings(raw.get("accounts")):
        provider, account = item.get("provider"), account_id(item.get("id"))
        if isinstance(provider, str) and isinstance(account, str):
            yield ("accounts", index), ("account", provider, account), "is the same account"
    for currency, entries in _rates(raw).items():
        for index, item in _mappings(entries):
            if isinstance(day := item.get("from"), str):
                place = ("billing", "rates", currency, index, "from")
                yield place, ("rate", currency, day), "is the same day"
    yield from _name_identities(raw)
    yield from _price_identities(raw)


def _name_identities(raw: Mapping[str, Any]) -> Iterator[tuple[KeyPath, object, str]]:
    """The same for what goes by its name alone."""
    for section, what in (("budgets", "budget"), ("postgres", "database")):
        for index, item in _mappings(raw.get(section)):
            if isinstance(name := item.get("name"), str):
                yield (section, index, "name"), (what, name), f"gives the {what} the same name"


def _price_identities(raw: Mapping[str, Any]) -> Iterator[tuple[KeyPath, object, str]]:
    """The same for prices of AI models, in whose names upper and lower case are the same."""
    ai = raw.get("ai")
    for index, item in _mappings(ai.get("prices") if isinstance(ai, dict) else None):
        model, day = item.get("model"), item.get("effective_from")
        if isinstance(model, str) and isinstance(day, str):
            identity = ("price", model.lower(), day)
            yield ("ai", "prices", index), identity, "is for the same model and day"


def _rates(raw: Mapping[str, Any]) -> Mapping[Any, Any]:
    billing = raw.get("billing")
    rates = billing.get("rates") if isinstance(billing, dict) else None
    return rates if isinstance(rates, dict) else {}


def _mappings(value: object) -> Iterator[tuple[int, dict[str, Any]]]:
    for index, item in enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, dict):
            yield index, item
