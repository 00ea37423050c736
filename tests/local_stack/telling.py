"""Our Alertmanager configuration with receivers of this machine in place of its placeholders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

from local_stack.installed import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from doubles.receivers import Receivers

SHIPPED = ROOT / "alertmanager" / "alertmanager.yaml"
SECRETS = "/etc/alertmanager/secrets/"

Config = dict[str, Any]


def shipped() -> Config:
    """The configuration that we ship, as Python reads it."""
    return dict(yaml.safe_load(SHIPPED.read_text(encoding="utf-8")))


def variant(folder: Path, receivers: Receivers) -> Config:
    """What we ship, told where `receivers` are; their secrets are written below `folder`."""
    secrets = folder / "secrets"
    secrets.mkdir(mode=0o700, exist_ok=True)
    for name, text in receivers.secrets.items():
        (secrets / name).write_text(text, encoding="utf-8")
    authority = folder / "authority.pem"
    receivers.write_authority(authority)

    def replace(text: str) -> str:
        if text.startswith(SECRETS):
            path = secrets / text.removeprefix(SECRETS)
            assert path.exists(), f"no double has the secret {path.name}"
            return str(path)
        parts = urlsplit(text)
        return f"{receivers.url}{parts.path}" if parts.scheme == "https" else text

    config: Config = _map(shipped(), replace)
    config["templates"] = [str(SHIPPED.parent / pattern) for pattern in config["templates"]]
    config["global"]["smtp_smarthost"] = receivers.smarthost
    config["global"]["pagerduty_url"] = f"{receivers.url}/v2/enqueue"
    for receiver in config["receivers"]:
        for mail in receiver.get("email_configs", []):
            mail["tls_config"] = {"ca_file": str(authority)}
    return config


def without_waits(config: Config, wait: str, interval: str) -> None:
    """Make groups of alerts wait this long before their first message, and between two."""
    for route in [config["route"], *config["route"]["routes"]]:
        route.update(group_wait=wait, group_interval=interval)


def addressees(config: Config) -> dict[str, str]:
    """Mail addresses, and the first receiver that each belongs to."""
    found: dict[str, str] = {}
    for receiver in config["receivers"]:
        for mail in receiver.get("email_configs", []):
            for address in mail["to"].split(","):
                found.setdefault(address.strip(), receiver["name"])
    return found


def _map(value: Any, change: Callable[[str], str]) -> Any:
    """A YAML value with every text in it changed."""
    if isinstance(value, dict):
        return {key: _map(one, change) for key, one in value.items()}
    if isinstance(value, list):
        return [_map(one, change) for one in value]
    return change(value) if isinstance(value, str) else value
