"""`costs` over the published sample, held against sums that csv and decimal make on their own."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from finops_exporter.model import NONE, UNTAGGED
from integration.bills import charge, write_bill
from integration.processes import as_url, configure, invoke, on_terminal, run
from shared import shared_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

SAMPLE = "focus/focus-1.0_sample_1000.csv"
TAGS = {"team": ["business_unit", "org"], "stage": ["environment", "env"]}
SLUGS = {"AWS": "aws", "Microsoft": "azure", "Oracle": "oracle"}
COLLECTED = re.compile(r"sample: succeeded; 1 parts read, 0 unchanged, 0 withdrawn; \d+ facts .*")


@pytest.fixture(scope="module")
def stored(
    create_database: Callable[[str | None], str],
    template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The configuration of a database into which the real command collected the sample."""
    source = {"name": "sample", "paths": [str(shared_data(SAMPLE))]}
    url = as_url(create_database(template))
    config = configure(tmp_path_factory.mktemp("sample"), url, source, tags=TAGS)
    done = run("collect", "--once", "--config", config)
    assert done.returncode == 0, done.stderr
    assert COLLECTED.fullmatch(done.stdout.strip())
    return config


@pytest.fixture(scope="module")
def charges() -> list[dict[str, str]]:
    with shared_data(SAMPLE).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def keys_of(row: Mapping[str, str]) -> dict[str, str]:
    """Every key that costs can be grouped by, straight from a line of the file."""
    regions = (row["RegionId"], row["RegionName"])
    day = row["ChargePeriodStart"][:10]
    return {
        "provider": SLUGS[row["ProviderName"]],
        "account": row["SubAccountId"],
        "service": " ".join(row["ServiceName"].split()),
        "region": next((text for text in regions if text not in {"", "NULL"}), NONE),
        "charge_category": row["ChargeCategory"],
        "month": day[:7],
        "day": day,
        **{tag: _tag(row["Tags"], keys) for tag, keys in TAGS.items()},
    }


def _tag(text: str, keys: Iterable[str]) -> str:
    found = {} if text in {"", "NULL"} else json.loads(text)
    folded = {key.strip().lower(): value.strip() for key, value in found.items()}
    return next((folded[key] for key in keys if folded.get(key)), UNTAGGED)


def sums(rows: Iterable[Mapping[str, str]], keys: Iterable[str]) -> list[dict[str, str]]:
    """The groups that `costs --format json` has to give."""
    wanted = list(keys)
    added: dict[tuple[str, ...], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for row in rows:
        values = keys_of(row)
        group = added[tuple(values[key] for key in wanted)]
        group[0] += Decimal(row["BilledCost"])
        group[1] += Decimal(row["EffectiveCost"])
    return [
        {**dict(zip(wanted, values, strict=True)), "billed": text(b), "effective": text(e)}
        for values, (b, e) in sorted(added.items())
    ]


def text(amount: Decimal) -> str:
    plain = f"{amount.normalize():f}"
    return "0" if plain == "-0" else plain


def costs(config: Path, *arguments: str) -> str:
    result = invoke("costs", "--config", config, *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def by(config: Path, key: str) -> dict[str, tuple[str, str]]:
    document = json.loads(costs(config, "--by", key, "--format", "json"))
    return {group[key]: (group["billed"], group["effective"]) for group in document["groups"]}


def test_the_published_totals_to_the_last_digit(stored: Path) -> None:
    document = json.loads(costs(stored, "--format", "json"))
    assert document["total"] == {"billed": "20.52022672899", "effective": "14.97651418586"}
    billed = {group["provider"]: group["billed"] for group in document["groups"]}
    assert billed == {"aws": "18.0066386184", "azure": "1.97651418586", "oracle": "0.53707392473"}
    categories = {name: amounts[0] for name, amounts in by(stored, "charge_category").items()}
    assert categories == {"Usage": "22.86192672899", "Credit": "-2.6137", "Adjustment": "0.272"}
    assert by(stored, "region")["us-east-1"][0] == "14.101247192"
    assert by(stored, "service")["Amazon Elastic Compute Cloud"][0] == "16.0416930505"
    days = {day: Decimal(billed) for day, (billed, _) in by(stored, "day").items()}
    assert max(days, key=days.__getitem__) == "2024-09-18"
    assert str(days["2024-09-18"]) == "2.2879143997"


@pytest.mark.parametrize(
    "keys",
    [
        *("provider", "account", "service", "region", "charge_category", "month", "day"),
        *("team", "stage", "provider,month", "day,provider", "team,day", "stage,month,account"),
        "month,charge_category,region,team",
        "account,service,region,charge_category,team,stage,provider,day",
    ],
)
def test_every_group_equals_a_sum_made_by_hand(
    stored: Path, charges: list[dict[str, str]], keys: str
) -> None:
    (total,) = sums(charges, [])
    shape = {
        "from": "2024-09-01",
        "to": "2024-09-30",
        "groups": sums(charges, keys.split(",")),
        "total": total,
    }
    shown = costs(stored, "--by", keys, "--format", "json")
    assert shown == json.dumps(shape, indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize(
    ("options", "first", "last"),
    [
        (["--since", "2024-09-10", "--until", "2024-09-18"], "2024-09-10", "2024-09-18"),
        (["--since", "2024-09-18", "--until", "2024-09-18"], "2024-09-18", "2024-09-18"),
        (["--since", "2024-09-28"], "2024-09-28", "2024-09-30"),
        (["--until", "2024-09-02"], "2024-09-01", "2024-09-02"),
        (["--since", "2020-01-01", "--until", "2030-01-01"], "2020-01-01", "2030-01-01"),
    ],
)
def test_both_ends_of_a_span_are_in_it(
    stored: Path, charges: list[dict[str, str]], options: list[str], first: str, last: str
) -> None:
    within = [row for row in charges if first <= row["ChargePeriodStart"][:10] <= last]
    document = json.loads(costs(stored, "--by", "region,day", "--format", "json", *options))
    assert (document["from"], document["to"]) == (first, last)
    assert document["groups"] == sums(within, ["region", "day"])
    assert [document["total"]] == sums(within, [])


def test_csv_has_a_line_a_group(stored: Path, charges: list[dict[str, str]]) -> None:
    shown = costs(stored, "--by", "service,month", "--format", "csv")
    lines = list(csv.DictReader(io.StringIO(shown)))
    assert list(lines[0]) == ["service", "month", "billed", "effective", "currency"]
    expected = [{**group, "currency": "USD"} for group in sums(charges, ["service", "month"])]
    assert lines == expected


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split("[│┃]", line)[1:-1]]


def padded(groups: list[dict[str, str]]) -> list[list[str]]:
    """The groups as the table shows them: amounts with as many decimals as the longest, eleven."""
    return [
        [f"{Decimal(text):.11f}" if key in {"billed", "effective"} else text for key, text in g]
        for g in (group.items() for group in groups)
    ]


def test_the_table_shows_every_digit_aligned_with_the_sum_below(
    stored: Path, charges: list[dict[str, str]]
) -> None:
    keys = ["account", "service", "region", "day"]
    shown = costs(stored, "--by", ",".join(keys))
    title, _, header, _, *body, _, total, _ = shown.splitlines()
    assert title.rstrip() == "2024-09-01 to 2024-09-30 (UTC), USD"
    assert cells(header) == [*keys, "billed", "effective"]
    expected = sums(charges, keys)
    assert [cells(line) for line in body] == padded(expected)
    assert cells(total) == ["total", "", "", "", "20.52022672899", "14.97651418586"]
    assert len({len(line) for line in [header, *body, total]}) == 1
    edges = {tuple(match.start() for match in re.finditer("[│┃]", line)) for line in body}
    assert len(edges) == 1
    assert all(re.search(r"\d │$", line) for line in [*body, total])  # right-aligned


def test_a_narrow_terminal_folds_names_and_never_cuts_an_amount(
    stored: Path, charges: list[dict[str, str]]
) -> None:
    keys = "account,service,region,day"
    code, shown = on_terminal("costs", "--config", stored, "--by", keys)
    assert code == 0
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 80
    amounts = [amount for line in shown.splitlines() if (amount := "".join(cells(line)[4:5]))]
    assert amounts[1:-1] == [group[4] for group in padded(sums(charges, keys.split(",")))]


def test_the_table_puts_the_dearest_first_unless_it_shows_time(stored: Path) -> None:
    billed = [Decimal(cells(line)[1]) for line in costs(stored).splitlines()[4:-3]]
    assert billed == sorted(billed, reverse=True)
    days = [cells(line)[0] for line in costs(stored, "--by", "day").splitlines()[4:-3]]
    assert len(days) == 30
    assert days == sorted(days)


def test_names_are_shown_as_they_are(database_url: str, tmp_path: Path) -> None:
    names = ["[/]", "[red]x[/red]", ":smile:", "a,b", "é\u202fü"]
    bill = [charge("2026-11-01", "1", ServiceName=name, RegionId=name) for name in names]
    source = {"paths": [str(write_bill(tmp_path / "a.csv", *bill))]}
    config = configure(tmp_path, as_url(database_url), source)
    assert invoke("collect", "--once", "--config", config).exit_code == 0
    table = [cells(line)[0] for line in costs(config, "--by", "region").splitlines()[4:-3]]
    assert sorted(table) == sorted(names)
    lines = csv.reader(io.StringIO(costs(config, "--by", "region", "--format", "csv")))
    assert [line[0] for line in lines] == ["region", *sorted(names)]


def test_currencies_are_never_added_up(database_url: str, tmp_path: Path) -> None:
    bill = [
        charge("2026-11-01", "1.5"),
        charge("2026-11-01", "7", BillingCurrency="EUR"),
        charge("2026-11-02", "0.25", BillingCurrency="EUR"),
    ]
    source = {"paths": [str(write_bill(tmp_path / "a.csv", *bill))]}
    config = configure(tmp_path, as_url(database_url), source)
    assert invoke("collect", "--once", "--config", config).exit_code == 0
    refused = invoke("costs", "--config", config)
    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert "EUR, USD" in refused.stderr
    assert "--currency" in refused.stderr
    euros = json.loads(costs(config, "--currency", "EUR", "--format", "json"))
    assert euros["total"] == {"billed": "7.25", "effective": "7.25"}
    dollars = costs(config, "--currency", "USD", "--format", "csv")
    assert dollars == "provider,billed,effective,currency\naws,1.5,1.5,USD\n"
    none = invoke("costs", "--config", config, "--currency", "JPY")
    assert none.exit_code == 1
    assert "stored there: EUR, USD" in none.stderr
    assert "no cost was billed in JPY" in none.stderr


def test_nothing_stored_says_how_to_collect(database_url: str, tmp_path: Path) -> None:
    result = invoke("costs", "--config", configure(tmp_path, as_url(database_url)))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no cost is stored yet; run: finops-exporter collect --once" in result.stderr


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--since", "2025-01-01"], 1, "stored since 2025-01-01; the stored days are 2024-09-01"),
        (["--until", "2024-08-31"], 1, "until 2024-08-31; the stored days are"),
        (["--since", "2025-01-01", "--until", "2025-01-31"], 1, "2025-01-01 and 2025-01-31"),
        (["--since", "2024-09-02", "--until", "2024-09-01"], 2, "2024-09-02 is after --until"),
        (["--since", "yesterday"], 2, "must be a day such as 2026-01-31, not 'yesterday'"),
        (["--by", "servise"], 2, "cannot group by 'servise'; did you mean 'service'?"),
        (["--by", "currency"], 2, "cannot group by 'currency'"),
        (["--by", "team,project"], 2, "charge_category, month, day, stage, team)"),
        (["--by", "day,team,day"], 2, "twice"),
        (["--format", "xml"], 2, "'xml' is not one of"),
    ],
)
def test_what_cannot_be_answered_is_said(
    stored: Path, options: list[str], code: int, words: str
) -> None:
    result = invoke("costs", "--config", stored, *options)
    assert (result.exit_code, result.stdout) == (code, "")
    assert words in result.stderr
    assert "Traceback" not in result.stderr
