"""The words in which a company and its bills are described; `company` describes the demo's.

Amounts are US dollars in the month of `now`; earlier months are smaller by the growth that
`series` describes.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

ProviderKey: TypeAlias = Literal["aws", "gcp", "azure"]


@dataclass(frozen=True, slots=True)
class Provider:
    """A cloud as its FOCUS export names it; `resource` is the shape of its resource ids.

    `timestamp` and `tags` are what their text is cast to in the files: the clouds differ in them.
    """

    key: ProviderKey
    name: str
    issuer: str
    billing_account_id: str
    billing_account_name: str
    resource: str
    timestamp: str
    tags: str


@dataclass(frozen=True, slots=True)
class Region:
    """A region and its share of the spend of an account."""

    id: str
    name: str
    share: float


@dataclass(frozen=True, slots=True)
class Workload:
    """Who spends: a share of an account, and the tags as somebody once typed them."""

    name: str
    share: float
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Account:
    """An account (AWS), project (Google Cloud) or subscription (Azure)."""

    provider: Provider
    id: str
    name: str
    owner: str
    regions: tuple[Region, ...]
    workloads: tuple[Workload, ...]


@dataclass(frozen=True, slots=True)
class Service:
    """A service: `price` in USD per `unit`, `monthly` in USD by account name.

    `weekend` is what a Saturday or Sunday uses compared with a weekday, `noise` the standard
    deviation of a day around its level (both ratios). `credit` is the part of each charge that
    comes back as a credit of its own.
    """

    name: str
    category: str
    sku: str
    unit: str
    price: Decimal
    weekend: float
    noise: float
    monthly: Mapping[str, int]
    credit: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Fee:
    """A charge that comes once a month on `day`, not by use; it grows with the usage."""

    account: str
    service: str
    service_category: str
    description: str
    category: Literal["Purchase", "Tax", "Credit", "Adjustment"]
    frequency: Literal["One-Time", "Recurring"]
    day: int
    usd: Decimal


@dataclass(frozen=True, slots=True)
class Commitment:
    """Use bought for a year, paid upfront on `day` of the month `months_ago` before that of `now`.

    It covers `coverage` (a ratio) of what each line of the service used on that day, at `price`.
    """

    id: str
    name: str
    account: str
    service: str
    months_ago: int
    day: int
    coverage: float
    price: Decimal
    term_days: int = 365


@dataclass(frozen=True, slots=True)
class Spike:
    """A mishap on the newest complete day: the service's use in that account times `factor`."""

    account: str
    service: str
    factor: float


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything together, so that a test can look at another company."""

    accounts: tuple[Account, ...]
    services: tuple[Service, ...]
    fees: tuple[Fee, ...]
    commitments: tuple[Commitment, ...]
    spike: Spike

    @property
    def providers(self) -> tuple[Provider, ...]:
        """The clouds of the accounts, each once, in the order of the accounts."""
        return tuple(dict.fromkeys(account.provider for account in self.accounts))
