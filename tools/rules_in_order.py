"""Split the recordings of rule files so that each file needs only what those before it record.

    python tools/rules_in_order.py FOLDER rules/*.yaml

For `promtool tsdb create-blocks-from rules`, which does not see what it has just made.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")

Group = dict[str, Any]


def in_order(groups: Iterable[Group]) -> list[list[Group]]:
    """The groups of each level, with the recordings that need only those of the levels before.

    Raises ValueError for recordings that need each other.
    """
    listed = list(groups)
    rules = [rule for group in listed for rule in group["rules"] if "record" in rule]
    levels = _levels(rules)
    found = []
    for level in range(max(levels.values(), default=-1) + 1):
        parts = [_only(group, level, levels) for group in listed]
        found.append([part for part in parts if part["rules"]])
    return found


def _only(group: Group, level: int, levels: Mapping[str, int]) -> Group:
    chosen = [rule for rule in group["rules"] if levels.get(rule.get("record")) == level]
    return {**group, "rules": chosen}


def _levels(rules: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many recordings stand below each name."""
    needs: dict[str, set[str]] = {rule["record"]: set() for rule in rules}
    for rule in rules:
        needs[rule["record"]] |= needs.keys() & set(_NAME.findall(rule["expr"]))
    levels: dict[str, int] = {}
    while len(levels) < len(needs):
        ready = [name for name in needs.keys() - levels.keys() if needs[name] <= levels.keys()]
        if not ready:
            raise ValueError(f"recordings need each other: {sorted(needs.keys() - levels.keys())}")
        level = max(levels.values(), default=-1) + 1
        levels |= dict.fromkeys(ready, level)
    return levels


def main(folder: Path, files: Iterable[Path]) -> None:
    """Write FOLDER/01.yaml, FOLDER/02.yaml and so on, which is how a shell sorts them."""
    folder.mkdir(parents=True, exist_ok=True)
    groups = [
        group
        for file in files
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
    ]
    for number, level in enumerate(in_order(groups), 1):
        text = yaml.safe_dump({"groups": level}, sort_keys=False)
        (folder / f"{number:02}.yaml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if not sys.argv[2:]:
        sys.exit("usage: rules_in_order.py FOLDER FILE...")
    main(Path(sys.argv[1]), map(Path, sys.argv[2:]))
