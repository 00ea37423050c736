"""Reading a FOCUS file in Parquet: our collector beside pandas, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from integration.processes import environment
from shared import ROOT

from . import focus_file
from .harness import FEWEST_ROUNDS, NotMeasured, Row, bar, say
from .processes import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .harness import Result

PANDAS_HOME = ROOT / ".cache/bench-venv"
"""An environment of its own, which `make bench` sets up: pandas is no dependency of ours."""

PANDAS = "pandas"
COMMANDS = {
    PANDAS: (PANDAS_HOME / "bin/python", ROOT / "tests/bench/read_pandas.py"),
    "ours": (sys.executable, "-m", f"{__package__}.read_focus"),
}
WITHIN = {PANDAS: "0.005", "ours": "0"}
"""By how many dollars the sum of a group may be wrong: floats by half a cent, ours by nothing."""


def rows(*, quick: bool) -> Iterator[Result]:
    """The same groups on both sides, from charges to what a store would be given."""
    count = 100_000 if quick else 1_000_000
    speed, memory = f"reading {count} rows of Parquet", f"peak memory, {count} rows of Parquet"
    if not (PANDAS_HOME / ".stamp").exists():
        reason = f"pandas is not in {PANDAS_HOME.relative_to(ROOT)}"
        yield from (NotMeasured(name, PANDAS, reason) for name in (speed, memory))
        return
    say(speed)
    found = _measured(count)
    seconds, megabytes = (
        {name: median(told[key] for told in rounds) for name, rounds in found.items()}
        for key in ("seconds", "megabytes")
    )
    # Missed today, by less on a calm machine: four tenths of our time go into a tuple of Python per
    # group, and a quarter into the groups themselves. Told until the reader is as fast as that.
    yield Row(speed, PANDAS, seconds[PANDAS], seconds["ours"], bar(2.5, quick=quick), gating=False)
    yield Row(
        memory,
        PANDAS,
        megabytes[PANDAS],
        megabytes["ours"],
        bar(1 / 3, "at most", quick=quick),
        "at most",
        gating=not quick,  # so few rows hardly outweigh the libraries themselves
        unit="megabytes",
    )


def _measured(count: int) -> dict[str, list[dict[str, float]]]:
    """What each side told in each round."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        file, groups = Path(folder) / "focus.parquet", Path(folder) / "groups.csv"
        focus_file.write(count, file, groups)
        for _ in range(FEWEST_ROUNDS):
            for name, command in COMMANDS.items():
                read = Path(folder) / f"{name}.csv"
                found[name].append(_read(*command, file, read))
                if differing := focus_file.differing(groups, read, WITHIN[name]):
                    raise AssertionError(f"{name}: {differing} groups differ from the charges")
    return found


def _read(*command: object) -> dict[str, float]:
    done = subprocess.run(
        [*map(str, command)],
        env=environment(VARIABLES),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=True,
    )
    told: dict[str, float] = json.loads(done.stdout)
    return told
