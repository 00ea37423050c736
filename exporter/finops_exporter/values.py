"""What single values of the configuration must look like; each raises ValueError with the words.

A sentence "must be ..." gets the wrong value appended by `explain`, unless it is a secret.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import date, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from finops_exporter.yaml_source import Whole

if TYPE_CHECKING:
    from decimal import Decimal

    from pydantic import SecretStr

_DURATION = re.compile(
    "(?:([0-9]{1,5})d)?(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6})s)?|([0-9]{1,6})"
)
_LISTEN = re.compile(r"(?:\[(?P<v6>[^]]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>[0-9]{1,5})")
_PATH = re.compile("(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")


def duration(value: object) -> object:
    """A length of time with its units, such as 1h30m."""
    if isinstance(value, timedelta):
        return value
    text = value.text if isinstance(value, Whole) else value
    if not isinstance(text, str) or not (found := _DURATION.fullmatch(text)) or not text:
        raise ValueError("must be a duration such as 90s, 15m, 1h30m or 1d")
    days, hours, minutes, seconds, bare = (int(part or 0) for part in found.groups())
    if bare:
        raise ValueError("must have a unit, such as 90s, 15m, 6h or 1d")
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def at_least_a_second(duration: timedelta) -> timedelta:
    """A length of time that is not too short to wait."""
    if duration < timedelta(seconds=1):
        raise ValueError("must be at least 1s")
    return duration


def whole_number(value: object) -> object:
    """A number, where pydantic would take a truth value for one."""
    if isinstance(value, bool):
        raise ValueError("must be a whole number")  # noqa: TRY004 - pydantic wants a ValueError
    return value


def listen_address(value: object) -> object:
    """Host and port to listen on."""
    found = _LISTEN.fullmatch(value) if isinstance(value, str) else None
    if found is None or int(found["port"]) > 65535:  # noqa: PLR2004 - the highest port there is
        raise ValueError("must be host:port, such as 0.0.0.0:9836 or [::]:9836")
    if found["v6"]:
        try:
            ipaddress.IPv6Address(found["v6"])
        except ValueError:
            raise ValueError("must have an IPv6 address between its brackets") from None
    return value


def host_and_port(listen: str) -> tuple[str, int]:
    """What an address to listen on is made of; an IPv6 address without its brackets."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def telemetry_path(path: str) -> str:
    """A path for the metrics, beside the other pages."""
    if not _PATH.fullmatch(path) or path.startswith("/-/"):
        raise ValueError("must be a path such as /metrics, neither / nor below /-/")
    return path


def level(value: object) -> object:
    """A level of the log, by either name."""
    return "warning" if value == "warn" else value


def database_url(url: SecretStr) -> SecretStr:
    """The address of a PostgreSQL server."""
    if not url.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("must start with postgresql:// or postgres://")
    return url


def http_url(url: str) -> str:
    """The address of a web server."""
    if not url.startswith(("http://", "https://")):
        raise ValueError("must start with http:// or https://")
    return url


def label(text: str) -> str:
    """A name for people, in one line."""
    if not text.isprintable() or text != text.strip():
        raise ValueError("must be one line of printable text without spaces around it")
    return text


def model_name(name: str) -> str:
    """A model's name, or with a * behind how names of models begin."""
    if not name.isprintable() or name != name.strip() or "*" in name[:-1] or name == "*":
        raise ValueError("must be a model's name, or how names begin with a * behind")
    return name


def time_zone(name: str) -> str:
    """The name of a time zone of the IANA database."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be a time zone such as UTC or Europe/Berlin") from None
    return name


def ascending(percents: tuple[Decimal, ...]) -> tuple[Decimal, ...]:
    """Each once, the smallest first."""
    if len(set(percents)) != len(percents):
        raise ValueError("names a percentage twice")
    return tuple(sorted(percents))


def day(value: object) -> object:
    """A day, where pydantic would take a number for seconds since 1970."""
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("must be a day such as 2026-01-31")
    return value
