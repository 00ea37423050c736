from __future__ import annotations

import csv
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from finops_exporter.backtest import replaying
from finops_exporter.backtest.replaying import Request, replay
from finops_exporter.errors import FinopsError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from finops_exporter.model import Progress

FIRST = date(2024, 1, 1)
DAYS = 150
SPIKE = date(2024, 4, 10)


def nothing(_name: str, _step: Progress) -> None:
    """Nobody watches."""


def write(path: Path, *, until: int = DAYS) -> None:
    """A series of $100 a day with a spike of $400, and one of $10 a day that begins in April."""
    rng = np.random.default_rng(1)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["series_id", "date", "cost_usage", "cost_total"])
        for offset in range(until):
            day = FIRST + timedelta(offset)
            usage = 100 + rng.normal() + (400 if day == SPIKE else 0)
            writer.writerow(["old", day, f"{usage:.4f}", f"{2 * usage:.4f}"])
            if day >= date(2024, 4, 1):
                writer.writerow(["young", day, "10", "20"])


def request(folder: Path, **changes: Any) -> Request:
    asked: dict[str, Any] = {
        "source": folder / "costs.csv",
        "column": "cost_usage",
        "method": "weekday_median",
        "forecast_method": "weekday_profile",
        "flags": folder / "flags.csv",
        "forecasts": folder / "forecasts.csv",
    }
    return Request(**(asked | changes))


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_flags_and_forecasts_of_a_small_file(tmp_path: Path) -> None:
    write(tmp_path / "costs.csv")
    done = replay(request(tmp_path), nothing)
    assert (done.series, done.first_day, done.last_day) == (2, FIRST, date(2024, 5, 29))
    (flag,) = lines(tmp_path / "flags.csv")
    assert done.flags == 1
    assert (flag["series_id"], flag["date"], flag["kind"]) == ("old", "2024-04-10", "spike")
    assert float(flag["expected_usd"]) == pytest.approx(100, rel=0.02)
    assert float(flag["excess_usd"]) == pytest.approx(400, rel=0.02)
    assert float(flag["score"]) > 4

    found = lines(tmp_path / "forecasts.csv")
    assert list(found[0]) == [
        *("series_id", "as_of", "month", "forecast_usd"),
        *("lower80", "upper80", "lower95", "upper95"),
    ]
    asked = [(line["series_id"], line["as_of"]) for line in found]
    old = [as_of for series, as_of in asked if series == "old"]
    assert old == [f"2024-{month:02}-{day:02}" for month in range(1, 6) for day in (5, 10, 15, 20)]
    young = [as_of for series, as_of in asked if series == "young"]
    assert young == [as_of for as_of in old if as_of >= "2024-04-05"]
    assert done.forecasts == len(found)
    for line in found:
        assert line["month"] == line["as_of"][:7]
        low, high = float(line["lower80"]), float(line["upper80"])
        assert float(line["lower95"]) <= low <= float(line["forecast_usd"]) <= high
    may = next(line for line in found if line["as_of"] == "2024-05-15")
    assert float(may["forecast_usd"]) == pytest.approx(31 * 100, rel=0.02)


def test_the_past_is_judged_the_same_when_the_future_is_there(tmp_path: Path) -> None:
    write(tmp_path / "costs.csv")
    write(tmp_path / "early.csv", until=115)
    replay(request(tmp_path), nothing)
    names = {"flags": tmp_path / "early-flags.csv", "forecasts": tmp_path / "early-forecasts.csv"}
    replay(request(tmp_path, source=tmp_path / "early.csv", **names), nothing)
    last = str(FIRST + timedelta(114))
    assert lines(names["flags"]) == lines(tmp_path / "flags.csv")
    whole = lines(tmp_path / "forecasts.csv")
    assert lines(names["forecasts"]) == [line for line in whole if line["as_of"] <= last]


def test_only_what_is_asked_for_is_written_and_methods_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, "SERIES_A_STEP", 1)
    write(tmp_path / "costs.csv")
    done = replay(request(tmp_path, column="cost_total", method="iqr", forecasts=None), nothing)
    assert done.forecasts == 0
    assert not (tmp_path / "forecasts.csv").exists()
    spike = next(one for one in lines(tmp_path / "flags.csv") if one["date"] == "2024-04-10")
    assert float(spike["excess_usd"]) == pytest.approx(800, rel=0.02)
    replay(request(tmp_path, flags=None, forecast_method="linear"), nothing)
    assert lines(tmp_path / "forecasts.csv")


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "costs.csv").write_text("series_id,date,cost_usage\na,never,1\n", encoding="utf-8")
    (tmp_path / "flags.csv").write_text("of yesterday", encoding="utf-8")
    with pytest.raises(FinopsError, match="line 2, column date"):
        replay(request(tmp_path), nothing)
    assert (tmp_path / "flags.csv").read_text(encoding="utf-8") == "of yesterday"
    assert {path.name for path in tmp_path.iterdir()} == {"costs.csv", "flags.csv"}


def test_who_cannot_write_does_not_compute(tmp_path: Path) -> None:
    gone = tmp_path / "none" / "flags.csv"
    with pytest.raises(FinopsError, match=r"cannot write .*flags.csv: No such file or directory"):
        replay(request(tmp_path, flags=gone), nothing)
    with pytest.raises(FinopsError, match="it is no ordinary file"):
        replay(request(tmp_path, flags=tmp_path), nothing)


def test_no_file_is_overwritten_by_another(tmp_path: Path) -> None:
    write(tmp_path / "costs.csv")
    before = (tmp_path / "costs.csv").read_bytes()
    (tmp_path / "link.csv").symlink_to(tmp_path / "costs.csv")
    for changes in (
        {"flags": tmp_path / "costs.csv"},
        {"forecasts": tmp_path / "x" / ".." / "costs.csv"},
        {"flags": tmp_path / "link.csv"},
        {"flags": tmp_path / "one.csv", "forecasts": tmp_path / "one.csv"},
    ):
        with pytest.raises(UsageError, match="named twice"):
            replay(request(tmp_path, **changes), nothing)
    assert (tmp_path / "costs.csv").read_bytes() == before
