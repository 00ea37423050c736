"""What the pages show: the seam to the parts that know costs and sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Body(Protocol):
    """One format in both encodings: chunks that follow each other and are a whole body together.

    They are sent as they are and never copied, so they must not change any more.
    """

    @property
    def identity(self) -> Sequence[bytes]:
        """As it is."""
        ...

    @property
    def gzip(self) -> Sequence[bytes]:
        """As one gzip member."""
        ...


class Page(Protocol):
    """The metrics of one moment in the formats that scrapers read."""

    @property
    def text(self) -> Body:
        """The text format 0.0.4."""
        ...

    @property
    def openmetrics(self) -> Body:
        """OpenMetrics 1.0."""
        ...


@dataclass(frozen=True, slots=True)
class ProviderLine:
    """A line of the landing page: through which day a provider's numbers hold."""

    provider: str
    month: str
    newest_complete_day: str
    age: str


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A line of the landing page: how a source's newest run ended."""

    source: str
    outcome: str
    started: str
    last_success: str
    error: str


@dataclass(frozen=True, slots=True)
class Views:
    """What the pages show, asked anew for each request; none of these may block or fail.

    `not_ready` gives the reasons, none meaning ready; `problem` is what is wrong right now although
    the last good values are served, or "".
    """

    page: Callable[[], Page]
    not_ready: Callable[[], Sequence[str]]
    problem: Callable[[], str]
    providers: Callable[[], Sequence[ProviderLine]]
    sources: Callable[[], Sequence[SourceLine]]
    version: str
