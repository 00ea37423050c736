"""AI usage for people: exact sums of calls by any keys, as a value that any format can print."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from datetime import timedelta
from decimal import MAX_PREC, Decimal, localcontext
from typing import TYPE_CHECKING

from finops_exporter.ai_desk import known, token_counts
from finops_exporter.ai_model import Tokens
from finops_exporter.errors import FinopsError, UsageError
from finops_exporter.grouping import keys_of
from finops_exporter.model import money_text, utc_midnight
from finops_exporter.store import ai_usage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from finops_exporter.store.ai_usage import UsageSum
    from finops_exporter.store.database import Database

KEYS = ("tenant", "model", "day", "report")
"""What calls can be grouped by."""

_KINDS = tuple(token_counts(Tokens()))


@dataclass(frozen=True, slots=True)
class Usage:
    """Calls by `keys`, in US dollars; days are UTC.

    `not_kept` calls were counted once and are kept no longer: there was some before `kept_from`.
    """

    keys: tuple[str, ...]
    groups: tuple[UsageSum, ...]
    not_kept: int
    kept_from: datetime | None

    @property
    def calls(self) -> int:
        """How many there are."""
        return sum(one.calls for one in self.groups)

    @property
    def unpriced(self) -> int:
        """How many have no cost yet, which therefore is not in the sum."""
        return sum(one.unpriced for one in self.groups)

    @property
    def tokens(self) -> Tokens:
        """Those of all calls."""
        kinds = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
        return Tokens(*(sum(getattr(one.tokens, kind) for one in self.groups) for kind in kinds))

    @property
    def cost_usd(self) -> Decimal:
        """The total, exact."""
        # The usual context rounds to 28 digits, which the store does not.
        with localcontext(prec=MAX_PREC):
            return sum((one.cost_usd for one in self.groups), Decimal(0))

    def values(self, one: UsageSum) -> tuple[str, ...]:
        """What a group has in common, in the order of the keys."""
        return tuple(str(getattr(one, key)) for key in self.keys)


def parse_keys(text: str) -> tuple[str, ...]:
    """The keys of a list such as "tenant,day"; raises UsageError for an unknown one."""
    return keys_of(text, KEYS)


def query(
    database: Database,
    keys: Sequence[str],
    *,
    tenant_id: str | None = None,
    since: date | None = None,
    until: date | None = None,
) -> Usage:
    """Add up the calls from `since` through `until` (both inclusive; default: all that are kept).

    Raises UsageError for days in the wrong order, FinopsError for a tenant that is not known and
    when there is no call.
    """
    if since and until and since > until:
        raise UsageError(f"--since {since} is after --until {until}")
    with database.connection() as connection, connection.transaction():
        if tenant_id is not None:
            known(connection, tenant_id)
        groups = ai_usage.usage_by(
            connection,
            keys,
            tenant_id=tenant_id,
            since=None if since is None else utc_midnight(since),
            until=None if until is None else utc_midnight(until + timedelta(days=1)),
        )
        kept_from, not_kept = ai_usage.kept(connection, tenant_id)
    if kept_from is not None and since is not None and since > kept_from.date():
        not_kept = 0  # nobody asks for so old ones
    if not any(one.calls for one in groups):
        raise FinopsError(_nothing(tenant_id, since, until, not_kept))
    usage = Usage(tuple(keys), tuple(groups), not_kept, kept_from)
    ordered = sorted(groups, key=lambda one: [*usage.values(one)])
    return Usage(usage.keys, tuple(ordered), not_kept, kept_from)


def as_json(usage: Usage) -> str:
    """One JSON object; amounts are exact decimal strings."""
    total = {
        "calls": usage.calls,
        **token_counts(usage.tokens),
        "cost_usd": money_text(usage.cost_usd),
        "unpriced_calls": usage.unpriced,
    }
    document = {
        "groups": [
            {**dict(zip(usage.keys, usage.values(one), strict=True)), **_sums(one)}
            for one in usage.groups
        ],
        "total": total,
        "calls_not_kept": usage.not_kept,
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def as_csv(usage: Usage) -> str:
    """One line a group under a header, without a total (a spreadsheet adds up itself)."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*usage.keys, "calls", *_KINDS, "cost_usd", "unpriced_calls"])
    for one in usage.groups:
        writer.writerow([*usage.values(one), *_sums(one).values()])
    return out.getvalue()


def _sums(one: UsageSum) -> dict[str, object]:
    return {
        "calls": one.calls,
        **token_counts(one.tokens),
        "cost_usd": money_text(one.cost_usd),
        "unpriced_calls": one.unpriced,
    }


def _nothing(tenant_id: str | None, since: date | None, until: date | None, not_kept: int) -> str:
    whose = f" of {tenant_id}" if tenant_id else ""
    days = "".join([f" since {since}" if since else "", f" until {until}" if until else ""])
    text = f"no call{whose} is kept{days}"
    return f"{text}; counted and kept no longer: {not_kept:,}" if not_kept else text
