"""The section `customers` of the configuration: how many there are, for the cost of one."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from finops_exporter import values
from finops_exporter.section import Positive, Section, Text

Number = Annotated[Decimal, Field(ge=0, max_digits=30)]


class Customers(Section):
    """Numbers, a question to a database, or one to Prometheus; none of them: it is not known."""

    current: Number | None = None
    previous: Number | None = None
    database_url: Annotated[SecretStr, AfterValidator(values.database_url)] | None = None
    sql: Text | None = None
    prometheus: Annotated[Text, AfterValidator(values.http_url)] | None = None
    query: Text | None = None
    interval: Positive = timedelta(hours=6)
    timeout: Positive = timedelta(seconds=10)

    @property
    def is_known(self) -> bool:
        """Whether there is anything to count customers by."""
        return self.sql is not None or self.query is not None or self.has_numbers

    @property
    def has_numbers(self) -> bool:
        """Whether the configuration itself says how many there are."""
        return self.current is not None or self.previous is not None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.database_url is None) != (self.sql is None):
            raise ValueError("database_url and sql go together: where to ask, and what")
        if (self.prometheus is None) != (self.query is None):
            raise ValueError("prometheus and query go together: where to ask, and what")
        if self.has_numbers + (self.sql is not None) + (self.query is not None) > 1:
            raise ValueError("choose one: numbers (current, previous), sql, or query")
        return self
