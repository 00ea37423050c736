"""Ours on many series, started as a module: FILE REPEAT DAYS.

The file's array is taken so many times; the newest DAYS are judged and the month is forecast.
Prints the seconds that takes, and the most megabytes that the process held.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import timedelta

import numpy as np

from finops_exporter.analysis.anomalies import judge
from finops_exporter.analysis.billing_time import month_of
from finops_exporter.analysis.forecast import forecast
from finops_exporter.model import Window
from integration.processes import peak_megabytes

from .series.batch import FIRST_DAY

DAY_OF_MONTH = 15


def main(file: str, repeat: str, newest: str) -> None:
    """Judge all series, and forecast the last whole month from its middle."""
    amounts = np.tile(np.load(file), (int(repeat), 1))
    days = amounts.shape[1]
    until = month_of(FIRST_DAY + timedelta(days=days))
    month = Window(month_of(until - timedelta(days=1)), until)
    began = time.perf_counter()
    judge(amounts, FIRST_DAY, range(days - int(newest), days))
    forecast(amounts, FIRST_DAY, month.since.replace(day=DAY_OF_MONTH), month)
    seconds = time.perf_counter() - began
    # Not ru_maxrss, in which a process starts with the size of the one that started it.
    told = {"seconds": seconds, "megabytes": peak_megabytes(os.getpid())}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
