"""What a configuration may say about a source of type `focus`."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from finops_exporter.collectors import Options
from finops_exporter.collectors.aws_options import Access  # noqa: TC001 - pydantic needs it
from finops_exporter.collectors.focus import patterns
from finops_exporter.collectors.focus.columns import canonical
from finops_exporter.collectors.focus.schemes import SCHEMES, require

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


def _slug(text: str) -> str:
    slug = canonical("provider", text)
    if slug is None:
        raise ValueError(
            f"{text!r} names no provider; write AWS, Microsoft, Google Cloud or another"
        )
    return slug


def _memory_size(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]*(\.[0-9]+)? ?[KMGT]i?B", text):
        raise ValueError("must be a size such as 150MB or 1GiB")
    return text


def _path(text: str) -> str:
    if pattern := patterns.parsed(text, SCHEMES):
        require(pattern.scheme)
    return text


class Defaults(Options):
    """Values for files that leave a required column away or empty."""

    provider: Annotated[_Text, AfterValidator(_slug)] | None = Field(
        default=None, description="Stands in for ProviderName, such as AWS or Oracle."
    )
    currency: _Text | None = Field(
        default=None, description="Stands in for BillingCurrency, such as USD."
    )


class FocusOptions(Options):
    """Options of a source of type `focus`."""

    paths: list[Annotated[_Text, AfterValidator(_path)]] = Field(
        min_length=1,
        description="Files or glob patterns (** for any folders): local ones, relative to the"
        " working directory, in which ~ and $VARIABLES are expanded; or s3://BUCKET/KEYS.",
    )
    aws: Access | None = Field(
        default=None, description="How to get into AWS for s3:// paths; by default as its CLI does."
    )
    memory_limit: Annotated[str, AfterValidator(_memory_size)] = Field(
        default="150MB",
        description="What DuckDB may hold in memory before it spills to disk; the reading"
        " process takes up to 80 MB more.",
    )
    missing_files: Literal["withdraw", "keep"] = Field(
        default="withdraw",
        description="Whether the costs of files that are gone disappear as well.",
    )
    defaults: Defaults = Field(
        default=Defaults(),
        description="Values for files without ProviderName or BillingCurrency.",
    )

    def local(self) -> list[str]:
        """The paths on a local disk."""
        return [text for text in self.paths if not patterns.parsed(text, SCHEMES)]

    def remote(self) -> list[patterns.Pattern]:
        """The paths in stores of objects."""
        found = [patterns.parsed(text, SCHEMES) for text in self.paths]
        return [pattern for pattern in found if pattern]
