"""Prometheus and Alertmanager with our files, their data below one folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from local_stack.child import Child
from local_stack.telling import variant, without_waits
from local_stack.watched_rules import prometheus_config, rule_files

if TYPE_CHECKING:
    from pathlib import Path

    from doubles.receivers import Receivers
    from local_stack.addresses import Listener
    from local_stack.installed import Installed
    from local_stack.telling import Config


async def start_alertmanager(found: Installed, folder: Path, at: Listener, config: Config) -> Child:
    """Started, and not yet ready."""
    file = _written(folder / "alertmanager.yaml", config)
    child = Child("Alertmanager", folder / "alertmanager.log")
    await child.start(
        [
            found.program,
            f"--config.file={file}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address={at.address}",
            f"--web.external-url={at.url}",
            "--web.route-prefix=/",
            "--cluster.listen-address=",
        ],
        folder=found.folder or folder,
    )
    return child


def told_here(folder: Path, receivers: Receivers, *, quick: bool) -> Config:
    """Our configuration, which tells the receivers of this machine."""
    config = variant(folder, receivers)
    if quick:
        without_waits(config, "2s", "5s")
    return config


async def start_prometheus(
    found: Installed, folder: Path, at: Listener, targets: tuple[str, str], *, quick: bool
) -> Child:
    """Started, and not yet ready; `targets` are the exporter and Alertmanager as host:port."""
    rules = rule_files(folder / "rules", quick=quick)
    file = _written(folder / "prometheus.yml", prometheus_config(rules, *targets, quick=quick))
    child = Child("Prometheus", folder / "prometheus.log")
    await child.start(
        [
            found.program,
            f"--config.file={file}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address={at.address}",
            f"--web.external-url={at.url}",
        ],
        folder=found.folder or folder,
    )
    return child


def _written(file: Path, config: Config) -> Path:
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    file.write_text(text, encoding="utf-8")
    return file
