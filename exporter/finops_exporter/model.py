"""What every part of the exporter talks about: frozen values with next to no behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import MAX_PREC, ROUND_FLOOR, Decimal, localcontext
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

NONE = "__none__"
"""Stands for a dimension that the provider left empty (a tax has no region)."""

UNTAGGED = "__untagged__"
"""Stands for spend that does not carry the tag that is asked for."""

CHARGE_CATEGORIES = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")
"""FOCUS 1.0-1.2 ChargeCategory, all allowed values."""

FULL_CUT = "account,charge_category,region,service,tags"
"""The cut that knows every dimension at once: what FOCUS files and BigQuery exports give.

See `cut_of`. What a cut does not know stands as NONE in its rows.
"""

COST_KEYS = ("provider", "account", "service", "region", "charge_category", "month", "day")
"""What stored costs can be grouped by, beside the configured tags."""

Basis: TypeAlias = Literal["billed", "effective"]
"""FOCUS BilledCost (what the invoice says) or EffectiveCost (commitments spread over their use)."""

Scope: TypeAlias = Literal[
    "organization", "provider", "account", "project", "team", "service", "environment"
]
"""What a budget is about."""

TAG_SCOPES: tuple[Scope, ...] = ("project", "team", "environment")
"""The scopes that are tags: a tag of that name must be configured."""

THRESHOLDS = (Decimal(50), Decimal(80), Decimal(100), Decimal(120))
"""The percents of a budget that are told unless it says otherwise."""

Period: TypeAlias = Literal["monthly", "quarterly", "yearly"]
"""How long a budget's amount shall last: periods of the calendar."""


@dataclass(frozen=True, slots=True)
class Window:
    """Days [since, until): `until` is the first day that is NOT in it."""

    since: date
    until: date

    def __post_init__(self) -> None:
        if self.since >= self.until:
            raise ValueError(f"a window must hold a day: {self.since} .. {self.until}")

    @classmethod
    def inclusive(cls, since: date, until: date) -> Window:
        """The window of the days from `since` through `until`, as people name it."""
        return cls(since, until + timedelta(days=1))

    @property
    def last(self) -> date:
        """The last day in it."""
        return self.until - timedelta(days=1)


class CostRow(NamedTuple):
    """The charges of one day that share every dimension, in the currency they were billed in.

    `part` names the piece of the source that says so: a file, or a month in a cut of an API. `tags`
    holds the configured keys that are present. `day` is the UTC day on which the charge period
    starts. A run may have millions of rows: a tuple is made in a third of a data class' time.
    """

    day: date
    provider: str
    account_id: str
    service: str
    region: str
    charge_category: str
    billed: Decimal
    effective: Decimal
    currency: str
    tags: Mapping[str, str] = MappingProxyType({})
    estimated: bool = False
    part: str = ""
    cut: str = FULL_CUT


@dataclass(frozen=True, slots=True)
class ControlTotal:
    """The source's own total of the calendar month starting at `month`; our rows must meet it.

    `cut` is that of the part's rows.
    """

    part: str
    provider: str
    month: date
    currency: str
    billed: Decimal
    effective: Decimal
    cut: str = FULL_CUT


@dataclass(frozen=True, slots=True)
class Account:
    """What the source calls an account; None where it does not say.

    `named_on` is the newest day (UTC) of which it says so: a newer day's name wins.
    """

    provider: str
    account_id: str
    account_name: str | None = None
    billing_account_id: str | None = None
    named_on: date = date.min


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent on a scope in each period of the calendar of `time_zone` (an IANA name).

    `scope_value` says which one (empty for the organization); `provider` limits the scope to the
    costs of one. `thresholds` are percents of `amount`, ascending. `is_configured` budgets come
    from the configuration, all others from the command line.
    """

    name: str
    scope: Scope
    scope_value: str
    amount: Decimal
    period: Period
    provider: str | None = None
    currency: str = "USD"
    time_zone: str = "UTC"
    thresholds: tuple[Decimal, ...] = THRESHOLDS
    channels: tuple[str, ...] = ()
    owner: str = ""
    basis: Basis = "billed"
    include_credits: bool = True
    is_configured: bool = False

    @property
    def meaning(self) -> tuple[object, ...]:
        """What its sums and thresholds depend on: where this changes, it is another budget."""
        scope = (self.scope, self.scope_value, self.provider, self.basis, self.include_credits)
        return (*scope, self.amount, self.currency, self.period, self.time_zone)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A part that is left out as a whole, and why.

    `reason` is a short, stable word for metrics; `message` is the sentence for people; `row` counts
    data rows from 1 (the header is not a row); `rows` is how many data rows are left out with it
    (at least 1).
    """

    part: str
    reason: str
    message: str
    row: int | None = None
    column: str | None = None
    rows: int = 1

    def __str__(self) -> str:
        place = [self.part]
        if self.row is not None:
            place.append(f"data row {self.row}")
        if self.column is not None:
            place.append(f"column {self.column}")
        return f"{', '.join(place)}: {self.message}"


@dataclass(frozen=True, slots=True)
class Complete:
    """The source declares: the rows I gave for `part` are all of it (within `window`, if given).

    `covered_until` says per provider up to which instant (UTC) the part's usage reaches.
    """

    part: str
    fingerprint: str
    window: Window | None = None
    covered_until: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that was kept, or done without, and that people shall know.

    `reason` is a short, stable word for metrics; `rows` is how many rows it is about.
    """

    reason: str
    message: str
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was declared complete so far may be stored now: what follows takes long, or money.

    `next_usd` is what the next part of it is expected to cost: it may wait for another day.
    """

    next_usd: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a long read is: `done` of `total` (same unit) in `part`."""

    part: str
    done: int
    total: int


Item: TypeAlias = (
    CostRow | ControlTotal | Account | Rejected | Complete | Progress | Notice | Checkpoint
)
"""What a collector yields. Rows of a part count only once its Complete has come."""


@dataclass(frozen=True, slots=True)
class Api:
    """A remote API as it is counted and paid: its name, and US dollars a request."""

    provider: str
    name: str
    request_usd: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Task:
    """What a source is asked for.

    `now` is an aware UTC datetime; `window` holds days that shall be read again whatever is stored
    (None: what is due); `stored` maps each stored part to its fingerprint; `lag` is how long after
    midnight (UTC) the source is trusted to have said all of a day.
    """

    now: datetime
    window: Window | None = None
    stored: Mapping[str, str] = field(default_factory=dict)
    lag: timedelta = timedelta(0)

    def wants(self, part: PlannedPart) -> bool:
        """Whether the part is to be read: its content is not stored, or its days are asked for."""
        return self.window is not None or self.stored.get(part.key) != part.fingerprint


@dataclass(frozen=True, slots=True)
class PlannedPart:
    """A piece of the source that would be read; an equal fingerprint means equal content."""

    key: str
    fingerprint: str
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a collector will read: its parts, and what it will ask (and pay) for.

    `requests` are those of the whole run; `least_usd` is what it takes until something can be
    stored. `unreadable` names what is there and will not be read. `whole` says that everything
    could be listed; `withdraws` that stored parts which are not listed any more shall then
    disappear.
    """

    parts: tuple[PlannedPart, ...]
    window: Window | None = None
    requests: Mapping[Api, int] = field(default_factory=dict)
    least_usd: Decimal = Decimal(0)
    unreadable: tuple[Rejected, ...] = ()
    whole: bool = True
    withdraws: bool = True

    @property
    def cost_usd(self) -> Decimal:
        """What the requests cost, in US dollars."""
        return sum(
            (api.request_usd * count for api, count in self.requests.items()), start=Decimal(0)
        )


def cut_of(*dimensions: str) -> str:
    """The name of the cut that knows these dimensions: sorted; all tags at once are "tags"."""
    return ",".join(sorted(dimensions))


def tag_dimension(name: str) -> str:
    """What a cut calls the dimension of the one configured tag `name`."""
    return f"tag:{name}"


def utc_midnight(day: date) -> datetime:
    """The first instant of `day` in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def money_text(amount: Decimal) -> str:
    """The exact decimal, no exponent, no trailing zeros: 1E-7 is 0.0000001, 1.50 is 1.5."""
    text = format(amount, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def duration_text(duration: timedelta) -> str:
    """As the configuration writes it: 1d6h, 90s is 1m30s."""
    left, text = round(duration.total_seconds()), ""
    for unit, seconds in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, seconds)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def rounded_down(number: Decimal, step: Decimal) -> Decimal:
    """To whole steps, however many digits the number has."""
    with localcontext(prec=MAX_PREC):
        return number.quantize(step, ROUND_FLOOR)
