"""The seam to every source: a collector plans, fetches and parses, and does nothing else.

Adding a source is one module, one folder of fixtures below tests/collectors/, and one line in
`BUILT_IN` (or one entry point in the group `finops_exporter.collectors` of another package).
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import timedelta

    from finops_exporter.model import Item, Plan, Window

T = TypeVar("T")

BUILT_IN: Mapping[str, str] = {
    "focus": "finops_exporter.collectors.focus.collector:FocusCollector",
}
"""Source type to class; imported only when a configuration names it."""

ENTRY_POINT_GROUP = "finops_exporter.collectors"


class Ask(Protocol):
    """The kernel's door to a remote API: counts, prices, caps, retries and times each call."""

    def __call__(self, api: str, call: Callable[[], T]) -> T:
        """Make one call of `api` and return its answer."""
        ...


class Options(BaseModel):
    """Base of every collector's own options."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Collector(Protocol):
    """Plans and yields what a source says; raises CollectError when it cannot be read at all.

    `default_lag` is how long after midnight (UTC) a day counts as complete, unless configured.
    """

    Config: ClassVar[type[Options]]
    default_lag: ClassVar[timedelta]
    name: str

    def __init__(self, name: str, options: Any, tags: Mapping[str, Sequence[str]]) -> None:
        """Keep the validated options; `tags` maps each configured tag to the keys that carry it."""

    def plan(self, window: Window | None) -> Plan:
        """List what would be read and what it costs; free of charge, changes nothing."""
        ...

    def collect(self, plan: Plan, ask: Ask) -> Iterator[Item]:
        """Read exactly the parts of `plan`; see model.Item for the order of what comes."""
        ...

    def cancel(self) -> None:
        """End a `collect` under way with CollectError; called from another thread at shutdown."""
        ...


def collector_class(type_name: str) -> type[Collector]:
    """The class behind a source type; raises LookupError with the known ones in a sentence."""
    if target := BUILT_IN.get(type_name):
        module, _, attribute = target.partition(":")
        found: type[Collector] = getattr(import_module(module), attribute)
        return found
    plugins = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    if point := plugins.get(type_name):
        loaded: type[Collector] = point.load()
        return loaded
    known = ", ".join(sorted({*BUILT_IN, *plugins}))
    raise LookupError(f"must be one of {known}, not {type_name!r}")
