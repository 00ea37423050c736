"""pandas on one FOCUS file, in an environment of its own, started as a script: FILE GROUPS.

Says and writes what `read_focus` does, and does less: it checks no value, adds floats, and gives
neither the file's totals nor its accounts. Only the columns that are needed are read.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pandas as pd

KEYS = ["day", "SubAccountId", "ServiceName", "RegionId", "ChargeCategory", "team", "environment"]
OTHERS = ["ProviderName", "BillingCurrency"]
AMOUNTS = ["BilledCost", "EffectiveCost"]


def main(file: str, groups: Path) -> None:
    """Read all of it, the rows as the tuples that a store would be given."""
    began = time.perf_counter()
    columns = [*AMOUNTS, "ChargePeriodStart", *KEYS[1:5], *OTHERS, "Tags"]
    charges = pd.read_parquet(file, columns=columns)
    charges["day"] = charges["ChargePeriodStart"].dt.normalize()
    tags = charges.pop("Tags").map(dict)  # pairs, of which pandas makes nothing by itself
    for tag in KEYS[5:]:
        charges[tag] = [of.get(tag) for of in tags]
    by = charges.groupby([*KEYS, *OTHERS], dropna=False, sort=False)
    sums = by[AMOUNTS].sum().reset_index()
    rows = list(sums.itertuples(index=False, name=None))
    seconds = time.perf_counter() - began
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    (peak,) = (int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    sys.stdout.write(json.dumps({"seconds": seconds, "megabytes": peak * 1024 / 1e6}))
    if rows:
        sums.to_csv(groups, columns=[*KEYS, *AMOUNTS], index=False, header=False)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
