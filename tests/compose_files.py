"""compose.yaml and what belongs to it, as tests read them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from shared import ROOT

COMPOSE = ROOT / "compose.yaml"
DEMO = ROOT / "compose" / "demo.yaml"
GRAFANA = ROOT / "dashboards" / "provisioning"
SECRETS = ROOT / "compose" / "secrets"

Mapping = dict[str, Any]


@dataclass(frozen=True)
class Mount:
    """Something of this machine, or a named volume, in a container."""

    source: str
    target: str
    is_read_only: bool
    creates_source: bool

    @property
    def is_named(self) -> bool:
        """Whether it is a volume and not a path."""
        return not self.source.startswith(".")


def document(path: Any) -> Mapping:
    """A YAML file."""
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def services() -> dict[str, Mapping]:
    """The services of compose.yaml by name."""
    return dict(document(COMPOSE)["services"])


def mounts(service: Mapping) -> list[Mount]:
    """Its volumes, however they are written."""
    return [_mount(one) for one in service.get("volumes", ())]


def _mount(one: str | Mapping) -> Mount:
    if isinstance(one, str):
        source, target, *options = one.split(":")
        return Mount(source, target, options == ["ro"], creates_source=source.startswith("."))
    creates = one.get("bind", {}).get("create_host_path", True)
    return Mount(one["source"], one["target"], one.get("read_only", False), creates)


def secrets(service: Mapping) -> dict[str, str]:
    """Where a service finds its secrets: path in the container by the secret's name."""
    found = {}
    for one in service.get("secrets", ()):
        given = {"source": one} if isinstance(one, str) else one
        found[given["source"]] = given.get("target", f"/run/secrets/{given['source']}")
    return found


def options(service: Mapping) -> dict[str, str]:
    """The --name=value of its command."""
    pairs = (one.partition("=") for one in service["command"] if one.startswith("--"))
    return {name: text for name, _, text in pairs}


def published(service: Mapping) -> list[tuple[str, str, str]]:
    """Its ports as (address of this machine, port there, port in the container)."""
    found = []
    for one in service.get("ports", ()):
        match = re.fullmatch(r"(.+):(\d+):(\d+)", one)
        assert match, one
        found.append((match[1], match[2], match[3]))
    return found
