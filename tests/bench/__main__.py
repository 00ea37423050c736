"""`make bench`: measure everything, print the table, fail where a bar is missed."""

from __future__ import annotations

import argparse
import platform
import signal
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from . import (
    analysis,
    api,
    crowd,
    dashboards,
    harness,
    ledger,
    memory,
    parquet,
    reading,
    rendering,
    restating,
    scrape,
    start,
)

if TYPE_CHECKING:
    from types import FrameType

SUBJECTS = {
    "scrape": scrape.rows,
    "crowd": crowd.rows,
    "rendering": rendering.rows,
    "restating": restating.rows,
    "reading": reading.rows,
    "parquet": parquet.rows,
    "memory": memory.rows,
    "start": start.rows,
    "analysis": analysis.rows,
    "ledger": ledger.rows,
    "api": api.rows,
    "dashboards": dashboards.rows,
}


LIMIT_SECONDS = {True: 400, False: 900}
"""How long a quick and a full run may take in all; what they made is cleared away even then."""


def main() -> int:
    """Run the subjects that are asked for (all, if none is) and return the exit code."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=", ".join(SUBJECTS))
    parser.add_argument("--quick", action="store_true", help="smaller sizes, wider bars")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE too")
    options = parser.parse_args()
    if unknown := set(options.subjects) - set(SUBJECTS):
        parser.error(f"unknown subject {min(unknown)!r}; known: {', '.join(SUBJECTS)}")
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(LIMIT_SECONDS[options.quick])
    began = time.perf_counter()
    rows: list[harness.Result] = []
    try:
        for name in options.subjects or SUBJECTS:
            for row in SUBJECTS[name](quick=options.quick):
                rows.append(row)  # noqa: PERF402 - what was measured before a failure is shown
    finally:
        signal.alarm(0)
        harness.say(f"took {time.perf_counter() - began:.0f} s")
        sys.stdout.write(harness.table(rows) + "\n")
    if options.json:
        about = {
            "quick": options.quick,
            "python": platform.python_version(),
            "machine": platform.platform(),
            **{name: version(name) for name in ("aiohttp", "prometheus-client", "psycopg")},
        }
        harness.write_json(options.json, rows, about)
    return harness.exit_code(rows)


def _too_long(_signal: int, _frame: FrameType | None) -> None:
    raise TimeoutError("the benchmark takes too long; is the machine busy?")


if __name__ == "__main__":
    sys.exit(main())
