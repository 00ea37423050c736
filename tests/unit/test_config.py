"""Each tests/config/*.bad.yaml must give exactly the text of the *.bad.txt beside it."""

from __future__ import annotations

import re
from contextlib import chdir
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr, TypeAdapter, field_validator
from pydantic_core.core_schema import ErrorType

from finops_exporter import config, explain, yaml_source
from finops_exporter.ai_config import Ai, Price, PriceOverride
from finops_exporter.collectors import collector_class
from finops_exporter.collectors.focus.options import FocusOptions
from finops_exporter.config import Billing, CollectorConfig, Config, Rate, options_of
from finops_exporter.errors import ConfigError
from finops_exporter.model import Budget
from finops_exporter.postgres_config import WatchedDatabase
from finops_exporter.section import Duration
from shared import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

CASES = ROOT / "tests" / "config"
DOCS = ROOT / "docs"
SECRET = "hunter2-hunter2"  # noqa: S105 - invented, to be looked for in messages
ENV = {
    "SECRET": SECRET,
    "SECRET_URL": f"postgresql://finops:{SECRET}@db/finops",
    "EMPTY_VARIABLE": "",
}


class Bucket(BaseModel, extra="forbid"):
    name: str
    prefix: str = ""


class SampleOptions(BaseModel, extra="forbid"):
    paths: tuple[str, ...]
    limit: int = 0
    either: int | list[int] = 0
    token: SecretStr | None = None
    bucket: Bucket | None = None
    checked: str = ""

    @field_validator("checked")
    @classmethod
    def _refuse(cls, value: str) -> str:
        raise ValueError(f"the word {value} is not welcome")

    @field_validator("token")
    @classmethod
    def _distrust(cls, value: SecretStr) -> SecretStr:
        if "bad" in value.get_secret_value():
            raise ValueError(f"must be better than {value.get_secret_value()}")
        return value


MODELS: dict[str, type[BaseModel]] = {"focus": FocusOptions}


def load(path: Path) -> Config:
    """What the composition root does: the file, then each source's own options."""
    loaded = config.load(path, ENV)
    for collector in loaded.collectors:
        options_of(collector, MODELS.get(collector.type, SampleOptions))
    return loaded


@pytest.fixture
def in_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages begin with the path as it was given: let it be the bare file name."""
    monkeypatch.chdir(CASES)


BAD = sorted(path.name for path in CASES.glob("*.bad.yaml"))


@pytest.mark.usefixtures("in_cases")
@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_told_in_these_words(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(Path(name))
    said = str(caught.value)
    assert said + "\n" == (CASES / name).with_suffix(".txt").read_text(encoding="utf-8")
    assert "hunter2" not in said
    assert caught.value.__context__ is None or "hunter2" not in str(caught.value.__context__)


def test_every_case_has_its_counterpart() -> None:
    said = {path.name.removesuffix(".txt") for path in CASES.glob("*.bad.txt")}
    assert said == {name.removesuffix(".yaml") for name in BAD}
    assert len(BAD) >= 20


def test_everything_is_read_as_it_is_written() -> None:
    loaded = load(CASES / "everything.ok.yaml")
    assert loaded.server.address == ("::1", 0)
    assert loaded.server.refresh == timedelta(seconds=90)
    assert loaded.server.telemetry_path == "/finops/metrics"
    assert loaded.server.web_config_file == Path("web.yaml")
    assert loaded.server.show_version is True
    assert loaded.server.write_timeout == timedelta(minutes=1)
    assert loaded.server.max_connections == 64
    assert (loaded.log.level, loaded.log.format) == ("warning", "logfmt")
    assert loaded.database.url is not None
    assert loaded.database.url.get_secret_value() == ENV["SECRET_URL"]
    assert loaded.database.data_dir == Path("data/postgres")
    assert loaded.database.pool_size == 6
    assert loaded.billing.basis == "effective"
    assert loaded.billing.period_hold_days == 0
    assert loaded.billing.rate("EUR", date(2026, 6, 30)) == Decimal("1.08000000000000000000001")
    assert loaded.tags == {
        "team": ("team",),
        "project": ("cost-project",),
        "environment": ("environment", " env"),
    }
    ids = [account.id for account in loaded.accounts]
    assert ids == ["001234567890", "billing-prod", "12e5", "NO"]
    assert loaded.accounts[0].owner == "platform"
    team, account, everything = loaded.configured_budgets()
    assert team == Budget(
        name="data team",
        scope="team",
        scope_value="data",
        provider="aws",
        amount=Decimal("5000.50"),
        currency="EUR",
        period="quarterly",
        time_zone="Europe/Berlin",
        thresholds=(Decimal(80), Decimal("99.5"), Decimal(100)),
        channels=("#finops",),
        owner="data",
        basis="billed",
        include_credits=False,
        is_configured=True,
    )
    assert loaded.customers.database_url is not None
    assert (loaded.customers.sql, loaded.customers.is_known) == ("SELECT 1", True)
    assert loaded.customers.interval == timedelta(days=1)
    own, shop = loaded.postgres
    assert (own.name, own.url) == ("finops", None)
    assert (own.interval, own.timeout) == (timedelta(minutes=1), timedelta(seconds=10))
    assert shop.url is not None
    assert shop.url.get_secret_value() == ENV["SECRET_URL"]
    assert (shop.interval, shop.timeout) == (timedelta(minutes=5), timedelta(seconds=2))
    assert (account.scope_value, account.basis) == ("001234567890", "effective")
    assert (everything.scope_value, everything.currency) == ("", "USD")
    assert everything.thresholds == tuple(map(Decimal, (50, 80, 100, 120)))
    assert loaded.warnings() == [
        "database.data_dir: has no effect, because a database URL is given",
    ]


def test_the_section_ai_is_read_as_it_is_written() -> None:
    ai = load(CASES / "ai.ok.yaml").ai
    assert (ai.address, ai.enforce, ai.unknown_tenant, ai.orphans) == (
        ("::1", 0),
        False,
        "deny",
        "release",
    )
    assert ai.unknown_model == Price(
        input=Decimal(15), output=Decimal(75), cache_write_1h=Decimal(30)
    )
    opus, free, llama = ai.prices
    assert (opus.model, opus.effective_from, opus.batch) == (
        "claude-3-opus*",
        date(2026, 1, 1),
        Decimal("0.5"),
    )
    assert {free.input, free.output} == {Decimal(0)}
    assert (free.batch, free.cache_read) == (Decimal(1), None)
    assert llama.input == Decimal("0.1000000000000000001")
    assert (llama.cache_read, llama.cache_write, llama.cache_write_1h) == (
        Decimal("0.01"),
        Decimal("0.2"),
        Decimal("0.3"),
    )
    assert (ai.hold, ai.usage_retention) == (timedelta(seconds=90), timedelta(days=400))
    assert (ai.journal_dir, ai.max_tenants, ai.requests_per_second) == (Path("journal"), 10, 50)


def test_a_collectors_own_options_are_kept_for_its_own_model() -> None:
    first, second = load(CASES / "everything.ok.yaml").collectors
    assert (first.name, first.interval, first.timeout, first.lag) == (
        "sample",
        timedelta(hours=2),
        timedelta(minutes=30),
        timedelta(0),
    )
    options = options_of(first, SampleOptions)
    assert options.paths == ("/data/*.parquet", "")
    assert options.limit == 10
    assert options.token is not None
    assert options.token.get_secret_value() == "from-a-file"
    assert options.bucket == Bucket(name="bills")
    assert (second.name, second.lag, second.options) == ("second", None, {"paths": ["b"]})


@pytest.mark.parametrize("name", ["nothing.ok.yaml", "empty_sections.ok.yaml"])
def test_what_is_left_out_has_its_default(name: str) -> None:
    loaded = load(CASES / name)
    assert loaded == Config() == config.default({})
    assert loaded.server.address == ("0.0.0.0", 9836)  # noqa: S104 - the documented default
    assert loaded.tags["environment"] == ("environment", "env")
    assert loaded.warnings() == ["collectors: none is configured, so no cost will be read"]


def test_suspicious_things_are_warnings() -> None:
    assert load(CASES / "suspicious.ok.yaml").warnings() == [
        "collectors[0]: timeout is longer than interval, so runs may be skipped",
        "budgets: aws has 2 monthly ones; budget_monthly_limit_usd tells the smallest",
        "billing.rates.USD: has no effect, a US dollar is always worth 1",
        "database.data_dir: has no effect, because a database URL is given",
    ]


def test_no_repr_shows_a_value() -> None:
    loaded = load(CASES / "everything.ok.yaml")
    parts: list[object] = [loaded, *vars(loaded).values(), *loaded.collectors]
    parts += [part for item in loaded.collectors for part in (item.options, item.place)]
    text = " ".join(f"{part!r} {part!s}" for part in parts)
    assert SECRET not in text
    assert "from-a-file" not in text
    assert "/data/*.parquet" in text  # options do show what is not hidden


def test_the_environment_goes_before_the_file() -> None:
    env = ENV | {"DATABASE_URL": "postgres://elsewhere/db"}
    for loaded in (config.load(CASES / "everything.ok.yaml", env), config.default(env)):
        assert loaded.database.url == SecretStr("postgres://elsewhere/db")
    loaded = config.load(CASES / "suspicious.ok.yaml", {"DATABASE_URL": ""})
    assert loaded.database.url == SecretStr("postgres://db/finops")
    assert (
        config.load(CASES / "missing_file.bad.yaml", env).database == config.default(env).database
    )


@pytest.mark.usefixtures("in_cases")
def test_a_wrong_database_url_of_the_environment_names_the_variable() -> None:
    env = {"DATABASE_URL": f"mysql://finops:{SECRET}@db"}
    sentence = (
        "database.url: must start with postgresql:// or postgres://, "
        "not the value of environment variable DATABASE_URL"
    )
    with pytest.raises(ConfigError) as caught:
        config.default(env)
    assert str(caught.value) == f"default configuration: {sentence}"
    with pytest.raises(ConfigError) as caught:
        config.load(Path("suspicious.ok.yaml"), env)
    assert str(caught.value) == f"suspicious.ok.yaml:1: {sentence}"


def test_options_that_come_from_no_file_have_no_line() -> None:
    collector = CollectorConfig(type="sample", options={"limit": "x", "paths": []})
    with pytest.raises(ConfigError) as caught:
        options_of(collector, SampleOptions)
    assert str(caught.value) == "configuration: limit: must be a whole number, not 'x'"


@pytest.mark.usefixtures("in_cases")
def test_later_mistakes_of_a_collector_name_its_line_too() -> None:
    (collector,) = config.load(Path("unknown_collector_option.bad.yaml"), ENV).collectors
    said = str(collector.place.error("type", "unknown source type"))
    assert said == "unknown_collector_option.bad.yaml:2: collectors[0].type: unknown source type"


def test_an_option_without_a_value_has_its_default() -> None:
    collector = CollectorConfig(type="sample", options={"paths": [], "limit": None, "bucket": None})
    assert options_of(collector, SampleOptions) == SampleOptions(paths=())


def test_our_words_are_for_errors_that_pydantic_has() -> None:
    assert set(explain.SENTENCES) <= {*get_args(ErrorType), "path_type"}


KEYS = sorted(
    {"url", "pool_size", "rates", "EUR", "from", "usd", "id", "paths", "other", *config.COMMON_KEYS}
    | {*Config.model_fields, *config.Server.model_fields, *Billing.model_fields}
)
VALUES = st.recursive(
    st.sampled_from(["", "focus", "6h", "EUR", "2026-01-01", "[::]:1", 0, 5, 1.5, True, None, "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from([*Config.model_fields]), VALUES))
def test_any_values_are_a_configuration_or_a_clear_error(values: dict[str, object]) -> None:
    text = yaml.safe_dump(values)
    lines = text.count("\n")
    try:
        with TemporaryDirectory() as folder, chdir(folder):
            Path("x.yaml").write_text(text, encoding="utf-8")
            found = config.load(Path("x.yaml"), {})
    except ConfigError as error:
        for sentence in str(error).splitlines():
            place = re.match(r"x\.yaml:([0-9]+): \S+: \w", sentence)
            assert place
            assert 1 <= int(place[1]) <= lines
    else:
        assert isinstance(found, Config)


def test_a_section_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        config.default({}).server.listen = "elsewhere:1"


UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


@given(st.dictionaries(st.sampled_from("dhms"), st.integers(0, 99999), min_size=1))
def test_a_duration_is_the_sum_of_its_parts(parts: dict[str, int]) -> None:
    text = "".join(f"{parts[unit]}{unit}" for unit in UNITS if unit in parts)
    seconds = sum(count * UNITS[unit] for unit, count in parts.items())
    assert TypeAdapter(Duration).validate_python(text) == timedelta(seconds=seconds)


@given(st.one_of(st.text(), st.integers(), st.booleans(), st.none(), st.decimals(), st.floats()))
def test_anything_else_is_no_duration(value: object) -> None:
    if isinstance(value, str) and re.fullmatch(r"0+|([0-9]+[dhms])+", value):
        return
    with pytest.raises(ValueError, match="must"):
        TypeAdapter(Duration).validate_python(value)


DAYS = st.dates(date(2020, 1, 1), date(2029, 12, 31))


@given(st.dictionaries(DAYS, st.decimals("0.0001", 1000, places=4), max_size=8), DAYS)
def test_the_rate_of_a_day_is_the_latest_one_begun(table: dict[date, Decimal], on: date) -> None:
    billing = Billing(
        rates={
            "EUR": tuple(
                Rate.model_validate({"from": since, "usd": usd}) for since, usd in table.items()
            )
        }
    )
    expected = None
    for since in sorted(table):  # walk the calendar, as a person would
        if since > on:
            break
        expected = table[since]
    assert billing.rate("EUR", on) == expected
    assert billing.rate("CHF", on) is None
    assert billing.rate("USD", on) == 1


def left_out(kind: Any, value: Any, path: str) -> Iterator[str]:
    """The keys of the models that `value` does not have; of lists, the first entry is looked at."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            if (kind, name) in {(CollectorConfig, "options"), (CollectorConfig, "place")}:
                continue
            key = field.alias or name
            if key not in value:
                yield f"{path}.{key}"
            else:
                yield from left_out(field.annotation, value[key], f"{path}.{key}")
    elif value and isinstance(value, dict | list):
        first = next(iter(value.values() if isinstance(value, dict) else value))
        for argument in get_args(kind):
            yield from left_out(argument, first, path)


def test_the_example_is_complete_and_tells_the_defaults() -> None:
    path = DOCS / "config.example.yaml"
    raw = yaml_source.read(path, {}).value
    assert list(left_out(Config, raw, "")) == []
    assert list(left_out(Config, {**raw, "server": {}}, "")) == [
        f".server.{key}" for key in config.Server.model_fields
    ]
    loaded = config.load(path, {})
    plain = Config()
    assert (loaded.server, loaded.log, loaded.database, loaded.tags, loaded.customers) == (
        plain.server,
        plain.log,
        plain.database,
        plain.tags,
        plain.customers,
    )
    assert loaded.billing.model_copy(update={"rates": {}}) == plain.billing
    assert loaded.ai.model_copy(update={"prices": ()}) == plain.ai
    (collector,) = loaded.collectors
    expected = CollectorConfig(type="focus", name="bill")
    assert collector.model_copy(update={"options": {}, "place": expected.place}) == expected
    assert loaded.accounts[0].id == "012345678901"
    assert loaded.postgres == (WatchedDatabase(name="finops"),)
    (budget,) = loaded.configured_budgets()
    assert budget == Budget(
        name="data team",
        scope="team",
        scope_value="data",
        amount=Decimal(5000),
        period="monthly",
        is_configured=True,
    )


BLOCKS = re.findall(
    r"^```yaml\n(?!# web.yaml)(.*?)^```",
    (DOCS / "configuration.md").read_text(encoding="utf-8"),
    re.MULTILINE | re.DOTALL,
)


@pytest.mark.parametrize("block", BLOCKS)
def test_what_the_documentation_shows_can_be_loaded(block: str, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "database-url").write_text(f"{ENV['SECRET_URL']}\n", encoding="utf-8")
    file = tmp_path / "config.yaml"
    file.write_text(block, encoding="utf-8")
    loaded = config.load(file, {})
    for collector in loaded.collectors:
        assert options_of(collector, collector_class(collector.type).Config).model_fields_set
    assert loaded.collectors
    assert loaded.warnings() == []


def test_the_documentation_has_examples_and_names_every_section() -> None:
    assert len(BLOCKS) >= 3
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    assert [name for name in Config.model_fields if f"\n| `{name}` |" not in text] == []
    assert [name for name in config.QUERY_KEYS if f"`{name}`" not in text] == []


def test_every_key_of_the_section_ai_is_explained() -> None:
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    for title, model in (("`ai`", Ai), ("a price", PriceOverride)):
        table = text.split(f"\n| key of {title} |")[1].split("\n\n")[0]
        named = " ".join(re.findall(r"^\| ([^|]*`) \|", table, re.MULTILINE))
        assert sorted(re.findall(r"`(\w+)`", named)) == sorted(model.model_fields)


def test_what_the_page_on_prices_shows_can_be_loaded(tmp_path: Path) -> None:
    page = (DOCS / "ai-pricing.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    file = tmp_path / "config.yaml"
    file.write_text(block, encoding="utf-8")
    assert len(config.load(file, {}).ai.prices) == 3


def test_what_the_page_on_budgets_shows_can_be_loaded(tmp_path: Path) -> None:
    page = (DOCS / "budgets.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    file = tmp_path / "config.yaml"
    rates = "billing: {rates: {EUR: [{from: 2026-01-01, usd: 1.08}]}}\n"
    file.write_text(rates + block, encoding="utf-8")
    assert len(config.load(file, {}).configured_budgets()) == 5
    reasons = set(re.findall(r"^\| `(\w+)`", page.split("## What cannot be told")[1], re.MULTILINE))
    assert {"no_costs", "no_cut", "no_rate_EUR", "partial_history", "no_days"} <= reasons
