"""Write the dashboards as Grafana reads them: `python -m dashboards`, or `make dashboards`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards import ai_budget, cloud_cost, overview

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parent


def made() -> Iterator[tuple[Path, str]]:
    """Each dashboard's file and what belongs in it."""
    encoder = JSONEncoder(indent=2, sort_keys=True, ensure_ascii=False)
    for subject in (overview, cloud_cost, ai_budget):
        dashboard = subject.build()
        yield FOLDER / f"{dashboard.uid}.json", encoder.encode(dashboard) + "\n"


if __name__ == "__main__":
    for file, text in made():
        file.write_text(text, encoding="utf-8")
