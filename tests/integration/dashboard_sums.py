"""What panels should show, by plain SQL on the store itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from dashboard_variables import ALL
from integration.dashboard_store import BUDGETS, DAY, LAGS, RATES, TENANTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dashboard_variables import Chosen
    from finops_exporter.model import Budget
    from finops_exporter.store.database import Database

Amounts: TypeAlias = "dict[tuple[str, ...], float]"
"""An amount by the values of some labels; that of none is a single one."""

UNTAGGED: Final = "__untagged__"

COLUMNS: Final = {
    "provider": "g.provider",
    "account_id": "g.account_id",
    "service": "g.service",
    "region": "s.region",
    "team": f"coalesce(nullif(s.tags ->> 'team', ''), '{UNTAGGED}')",
    "environment": f"coalesce(nullif(s.tags ->> 'environment', ''), '{UNTAGGED}')",
}
LABELS: Final = {"account": "account_id", "tenant": "tenant_id"}
"""Variables that are called otherwise than the label whose values they list."""

RATE: Final = f"CASE g.currency WHEN 'EUR' THEN {RATES['EUR']} ELSE 1 END"


def picked(chosen: Chosen, name: str) -> tuple[str, ...]:
    """The chosen values of a variable; none while all are."""
    value = chosen.values.get(name, ALL)
    return () if value in {ALL, (ALL,)} else (value,) if isinstance(value, str) else value


@dataclass(frozen=True)
class Sums:
    """Sums as of a moment: over the days that were over by then, and the calls before."""

    database: Database
    at: datetime

    @property
    def month(self) -> date:
        """The first day of the current month."""
        return self.at.date().replace(day=1)

    @property
    def month_before(self) -> date:
        return (self.month - DAY).replace(day=1)

    def newest(self, provider: str) -> date:
        """The newest complete day of a provider."""
        return (self.at - timedelta(hours=LAGS[provider])).date() - DAY

    def costs(
        self,
        by: Sequence[str],
        since: date,
        chosen: Chosen,
        *names: str,
        before: date | None = None,
    ) -> Amounts:
        """US dollars of the days from `since` on, of what the variables `names` have chosen."""
        where, values = "f.day >= %s AND f.day < %s", [since, before or self.at.date()]
        return self._costs(by, where, values, chosen, names)

    def day(self, by: Sequence[str], offset: int, chosen: Chosen, *names: str) -> Amounts:
        """US dollars of the complete day of each provider so far back; 1 is the newest."""
        return self.days(by, offset, offset, chosen, *names)

    def days(
        self, by: Sequence[str], first: int, last: int, chosen: Chosen, *names: str
    ) -> Amounts:
        """US dollars of the complete days of each provider from the first to the last one back."""
        found: Amounts = {}
        for provider in LAGS:
            newest = self.newest(provider)
            values = [provider, newest - (last - 1) * DAY, newest - (first - 1) * DAY]
            where = "g.provider = %s AND f.day BETWEEN %s AND %s"
            for key, amount in self._costs(by, where, values, chosen, names).items():
                found[key] = found.get(key, 0) + amount
        return found

    def _costs(
        self, by: Sequence[str], where: str, values: list[Any], chosen: Chosen, names: Sequence[str]
    ) -> Amounts:
        for name in names:
            if picked(chosen, name):
                where += f" AND {COLUMNS[LABELS.get(name, name)]} = ANY(%s)"
                values = [*values, list(picked(chosen, name))]
        columns = [COLUMNS[label] for label in by]
        return self._ask(
            columns,
            f"sum(f.billed * {RATE})",
            f"cost_facts f JOIN cost_series s USING (series_id) JOIN cost_groups g USING (group_id)"
            f" WHERE {where}",
            values,
        )

    def spent(self, budget: Budget) -> float:
        """What is spent of a budget in its current period, US dollars."""
        since = self.month.replace(month=1) if budget.period == "yearly" else self.month
        scope = {"account": "account_id"}.get(budget.scope, budget.scope)
        values: list[Any] = [since, self.at.date()]
        where = "f.day >= %s AND f.day < %s"
        if scope != "organization":
            where = f"{where} AND {COLUMNS[scope]} = %s"
            values = [*values, budget.scope_value]
        found = self._ask(
            [],
            f"sum(f.billed * {RATE})",
            f"cost_facts f JOIN cost_series s USING (series_id) JOIN cost_groups g USING (group_id)"
            f" WHERE {where}",
            values,
        )
        return found[()]

    def calls(self, what: str, by: Sequence[str], chosen: Chosen, *names: str) -> Amounts:
        """A sum over the calls of this month, each tenant's by its own clock."""
        return self.calls_since(what, by, None, chosen, *names)

    def calls_since(
        self, what: str, by: Sequence[str], since: datetime | None, chosen: Chosen, *names: str
    ) -> Amounts:
        """A sum over the calls since a moment (none: since a tenant's month began)."""
        zones = " ".join(
            f"WHEN '{tenant}' THEN '{zone}'" for tenant, (_, _, zone) in TENANTS.items()
        )
        zone = f"(CASE tenant_id {zones} ELSE 'UTC' END)"
        # PostgreSQL knows when a month begins in a time zone.
        began = f"date_trunc('month', %s::timestamptz, {zone})"
        values: list[Any] = [since or self.at, self.at]
        where = f"time >= {began} AND time < %s"
        if since is not None:
            where = "time >= %s AND time < %s"
        for name in names:
            if picked(chosen, name):
                where += f" AND {LABELS.get(name, name)} = ANY(%s)"
                values = [*values, list(picked(chosen, name))]
        return self._ask(list(by), what, f"ai_token_usage WHERE {where}", values)

    def _ask(self, by: list[str], what: str, rest: str, values: Sequence[Any]) -> Amounts:
        group = f" GROUP BY {', '.join(by)}" if by else ""
        with self.database.connection() as connection:
            rows = connection.execute(
                f"SELECT {', '.join([*by, what])} FROM {rest}{group}", values
            ).fetchall()
        return {tuple(map(str, row[:-1])): float(row[-1]) for row in rows if row[-1] is not None}


def limit(budget: Budget) -> float:
    """What a budget allows, US dollars."""
    return float(budget.amount * RATES[budget.currency or "USD"])


def choice(chosen: Chosen) -> set[str]:
    """What is chosen of the costs."""
    names = ("budget", "team", "environment", "service", "account", "region", "provider")
    return {name for name in names if picked(chosen, name)}


def budgets(chosen: Chosen, *periods: str) -> list[Budget]:
    """The chosen budget; else those of the one scope that is chosen, of these periods; else none.

    All while nothing is chosen. With an account its provider may be chosen.
    """
    if names := picked(chosen, "budget"):
        return [one for one in BUDGETS if one.name in names]
    given = choice(chosen)
    if not given:
        return list(BUDGETS)
    scope = "account" if given == {"account", "provider"} else min(given)
    if len(given) > 1 and scope != "account":
        return []
    return [
        one
        for one in BUDGETS
        if one.scope == scope
        and one.scope_value in picked(chosen, scope)
        and (not periods or one.period in periods)
    ]


def only(amounts: Amounts) -> float:
    """The single amount, or the sum of all."""
    return sum(amounts.values())


def largest(most: int, amounts: Amounts) -> Amounts:
    """The largest amounts."""
    ordered = sorted(amounts.items(), key=lambda one: -one[1])
    return dict(ordered[:most])


def with_others(most: int, amounts: Amounts) -> Amounts:
    """The largest amounts, and all others in one."""
    found = largest(most, amounts)
    others = only(amounts) - only(found)
    return {**found, ("all others",): others} if others > 0.005 else found


def ratios(
    amounts: Amounts, by: Amounts, *, less: float = 0, keys: Amounts | None = None
) -> Amounts:
    """One by the other, where both are known and the other is something; of these keys only."""
    return {
        key: amount / by[key] - less
        for key, amount in amounts.items()
        if by.get(key, 0) > 0 and (keys is None or key in keys)
    }


def among(amounts: Amounts, keys: Amounts) -> Amounts:
    """The amounts of these keys."""
    return {key: amount for key, amount in amounts.items() if key in keys}
