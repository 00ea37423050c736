"""The section `postgres` of the configuration: the databases whose log is watched."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from finops_exporter import values
from finops_exporter.section import Name, Positive, Section


class WatchedDatabase(Section):
    """A database on a PostgreSQL server that is watched; without `url` it is the exporter's own."""

    name: Name
    url: Annotated[SecretStr, AfterValidator(values.database_url)] | None = None
    interval: Positive = timedelta(minutes=1)
    timeout: Positive = timedelta(seconds=10)
