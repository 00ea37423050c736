"""What the addresses of objects may begin with, and what must be installed for each."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Scheme:
    """Where a kind of store is implemented, and what must be installed for it."""

    module: str
    name: str
    library: str
    extra: str


SCHEMES: Mapping[str, Scheme] = {
    "s3": Scheme("finops_exporter.collectors.focus.s3", "S3Store", "boto3", "aws"),
}
"""What addresses may begin with; imported only when a configuration names it."""


def require(scheme: str) -> None:
    """Raise ValueError, with the remedy, when the library for `scheme` is not installed."""
    known = SCHEMES[scheme]
    if importlib.util.find_spec(known.library) is None:
        raise ValueError(
            f"{scheme}:// needs {known.library}: pip install 'finops-exporter[{known.extra}]'"
        )
