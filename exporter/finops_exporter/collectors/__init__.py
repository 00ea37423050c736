"""The seam to every source: a collector plans, fetches and parses, and does nothing else.

Adding a source is one module, one folder of fixtures below tests/collectors/, and one line in
`BUILT_IN` (or one entry point in the group `finops_exporter.collectors` of another package).
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import timedelta
    from decimal import Decimal

    from finops_exporter.model import Api, Item, Plan, Task

T = TypeVar("T")

BUILT_IN: Mapping[str, str] = {
    "aws_cost_explorer": (
        "finops_exporter.collectors.aws_cost_explorer.collector:CostExplorerCollector"
    ),
    "focus": "finops_exporter.collectors.focus.collector:FocusCollector",
}
"""Source type to class; imported only when a configuration names it."""

EXTRAS: Mapping[str, str] = {"boto3": "aws", "botocore": "aws", "duckdb": "focus"}
"""Which extra of this package brings a module that a source needs."""

NEEDS: Mapping[str, str] = {"aws_cost_explorer": "boto3", "focus": "duckdb"}
"""The module without which a built-in source reads nothing."""

ENTRY_POINT_GROUP = "finops_exporter.collectors"


class Ask(Protocol):
    """The kernel's door to a remote API: counts, prices, caps, retries and times each call."""

    def __call__(
        self, api: Api, call: Callable[[], T], prepare: Callable[[], object] = lambda: None
    ) -> T:
        """Make one call of `api` and return its answer.

        `prepare` does what costs nothing and may fail, before the call is paid for.
        Raises what `call` raised once it is not transient or was tried often enough, and
        CollectError when it may not be made: the day's cap is reached, or the run is being ended.
        """
        ...


class Options(BaseModel):
    """Base of every collector's own options."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Collector(Protocol):
    """Plans and yields what a source says; raises CollectError when it cannot be read at all.

    `default_lag` is how long after midnight (UTC) a day counts as complete, unless configured.
    `provider` is the one whose costs it gives; None where its rows say so one by one.
    """

    Config: ClassVar[type[Options]]
    default_lag: ClassVar[timedelta]
    provider: ClassVar[str | None]
    name: str

    def __init__(self, name: str, options: Any, tags: Mapping[str, Sequence[str]]) -> None:
        """Keep the validated options; `tags` maps each configured tag to the keys that carry it.

        Raises ValueError, with the remedy, when they do not go together.
        """

    def plan(self, task: Task, ask: Ask) -> Plan:
        """Say what would be read and what it costs; of what is paid it asks for listings only."""
        ...

    def collect(self, task: Task, plan: Plan, ask: Ask) -> Iterator[Item]:
        """Read the parts of `plan`; see model.Item for the order of what comes."""
        ...

    def daily_usd(self, interval: timedelta, stored: Mapping[str, str]) -> Decimal:
        """What asking costs a day (US dollars) at this interval once all is stored; asks nobody."""
        ...

    def retry_after(self, error: Exception) -> timedelta | None:
        """How long the remote side wants us to wait before the same call again; None: do not."""
        ...

    def cancel(self) -> None:
        """End a `collect` under way with CollectError; called from another thread at shutdown."""
        ...


def lacking(type_name: str) -> str | None:
    """What is to be installed before a source of this type can read; imports nothing."""
    module = NEEDS.get(type_name)
    if module is None or find_spec(module) is not None:
        return None
    return f"{type_name} needs {module}: pip install 'finops-exporter[{EXTRAS[module]}]'"


def collector_class(type_name: str) -> type[Collector]:
    """The class behind a source type.

    Raises LookupError, with the known types or what is to be installed, in a sentence.
    """
    if target := BUILT_IN.get(type_name):
        module, _, attribute = target.partition(":")
        try:
            found: type[Collector] = getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            extra = EXTRAS.get((error.name or "").partition(".")[0])
            if extra is None:
                raise
            raise LookupError(
                f"{type_name} needs {error.name}; install it with: "
                f"pip install 'finops-exporter[{extra}]'"
            ) from error
        return found
    plugins = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    if point := plugins.get(type_name):
        loaded: type[Collector] = point.load()
        return loaded
    known = ", ".join(sorted({*BUILT_IN, *plugins}))
    raise LookupError(f"must be one of {known}, not {type_name!r}")
