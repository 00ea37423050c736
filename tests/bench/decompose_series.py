"""MSTL of statsmodels, in an environment of its own, started as a script: FILE.

What forecasting libraries do first with a daily series: weekly and monthly seasons, one series at a
time. Prints the seconds that all series of the file (an array as numpy saves it) take.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from statsmodels.tsa.seasonal import MSTL

PERIODS = (7, 30)


def main(file: str) -> None:
    """Decompose each series."""
    series = np.load(file)
    began = time.perf_counter()
    for one in series:
        MSTL(one, periods=PERIODS).fit()
    sys.stdout.write(json.dumps({"seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main(*sys.argv[1:])
