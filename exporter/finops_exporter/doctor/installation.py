"""Judging the installation: configuration, server, schema, privileges and clocks. Pure."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

from finops_exporter.doctor.findings import Finding, ok, problem, warning
from finops_exporter.store.database import MINIMUM_SERVER_VERSION

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from finops_exporter.store.checks import Ahead, Privileges, Server
    from finops_exporter.store.migrate import Migration

DAY = timedelta(days=1)

TOLERATED = timedelta(seconds=5)
"""So far apart clocks may be without a word."""

WRONG = timedelta(seconds=60)
"""Clocks this far apart put runs and days where they do not belong."""


def configuration(
    sources: Collection[str], warnings: Sequence[str], mistakes: Sequence[str]
) -> list[Finding]:
    """`mistakes` are those of the sources' own options, and libraries that are not installed."""
    found = [
        problem("configuration", text, "correct it; docs/configuration.md explains every key")
        for text in mistakes
    ]
    unless = "leave it where it is meant; docs/configuration.md explains every key"
    found += [warning("configuration", text, unless) for text in warnings]
    named = ", ".join(sources) or "none"
    return found or [ok("configuration", f"sources: {named}")]


def server(seen: Server, pool_size: int) -> list[Finding]:
    """Whether the server is one that we can write to as we need."""
    found = [*_unusable(seen), *_connections(seen, pool_size)]
    if seen.statement_timeout:
        seconds = seen.statement_timeout / 1000
        found.append(
            warning(
                "database",
                f"statement_timeout is {seconds:g} s, which may cut off storing a large bill",
                f"ALTER ROLE {seen.role} IN DATABASE {seen.database} SET statement_timeout = 0;",
            )
        )
    timescale = f"TimescaleDB {seen.timescale}" if seen.timescale else "without TimescaleDB"
    message = (
        f"PostgreSQL {seen.version_text}, {timescale}; {seen.database} holds {seen.size}; "
        f"{seen.connections - seen.others} connections free for us; sessions run in UTC"
    )
    return found or [ok("database", message)]


def _unusable(seen: Server) -> Iterator[Finding]:
    if seen.version < MINIMUM_SERVER_VERSION:
        newest = MINIMUM_SERVER_VERSION // 10000
        yield problem(
            "database",
            f"the server runs PostgreSQL {seen.version_text}",
            f"upgrade it to PostgreSQL {newest} or newer",
        )
    if seen.encoding != "UTF8":
        yield problem(
            "database",
            f"{seen.database} is encoded in {seen.encoding}, which cannot hold every name",
            "CREATE DATABASE finops ENCODING 'UTF8' TEMPLATE template0; and set database.url",
        )
    if seen.is_standby:
        yield problem(
            "database",
            "the server is a standby, which takes no writes",
            "name the primary in database.url; with several hosts in it, add "
            "target_session_attrs=read-write",
        )
    elif seen.is_read_only:
        yield problem(
            "database",
            "transactions are read-only by default (default_transaction_read_only)",
            f"ALTER ROLE {seen.role} IN DATABASE {seen.database} "
            "SET default_transaction_read_only = off;",
        )


def _connections(seen: Server, pool_size: int) -> Iterator[Finding]:
    if seen.connections < pool_size:
        yield problem(
            "database",
            f"database.pool_size is {pool_size}, but {seen.role} may have {seen.connections} "
            "connections",
            f"set database.pool_size to {seen.connections} or less, or raise max_connections (or "
            "the CONNECTION LIMIT of the role or database)",
        )
    elif seen.connections - seen.others < pool_size:
        yield warning(
            "database",
            f"database.pool_size is {pool_size}, but {seen.others} of {seen.connections} "
            "connections are in use by others",
            "lower database.pool_size, or raise max_connections",
        )


def migrations(applied: Mapping[int, tuple[str, str]], known: Sequence[Migration]) -> list[Finding]:
    """Whether the schema is exactly the one of this version; `applied` is (name, checksum)."""
    if not applied:
        text = "the database has no schema of ours yet"
        return [problem("migrations", text, "finops-exporter migrate")]
    by_version = {one.version: one for one in known}
    found = []
    for version, (name, checksum) in applied.items():
        ours = by_version.get(version)
        if ours is None:
            text = f"{name} is of a newer version than this one"
            remedy = "upgrade this finops-exporter to the one that applied it"
        elif ours.checksum != checksum:
            text = f"{name} was applied with another content (checksum {checksum[:12]})"
            remedy = (
                "use the finops-exporter that applied it, or restore the database from a backup"
            )
        else:
            continue
        found.append(problem("migrations", text, remedy))
    if missing := [one.name for one in known if one.version not in applied]:
        text = f"not applied yet: {', '.join(missing)}"
        found.append(problem("migrations", text, "finops-exporter migrate"))
    return found or [ok("migrations", f"all {len(known)} applied, none changed")]


def permissions(
    seen: Privileges | None, tables: Collection[str], *, is_complete: bool
) -> list[Finding]:
    """Whether our role may do what the exporter does; `is_complete`: no migration is missing."""
    if seen is None:
        text, remedy = "there is no schema in the search path", "CREATE SCHEMA public;"
        return [problem("permissions", text, remedy)]
    found = list(_on_schema(seen, is_complete=is_complete))
    by_lack: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for table, lacking in seen.lacking.items():
        if lacking:
            by_lack[lacking].append(table)
    for lacking, those in by_lack.items():
        listed = ", ".join(f"{seen.schema}.{table}" for table in those)
        found.append(
            problem(
                "permissions",
                f"{seen.role} may not {', '.join(lacking)} {', '.join(those)}",
                f"GRANT {', '.join(lacking)} ON {listed} TO {seen.role};",
            )
        )
    if is_complete and (gone := sorted(set(tables) - seen.lacking.keys())):
        text = f"tables are missing although their migrations are applied: {', '.join(gone)}"
        found.append(problem("permissions", text, "restore the database from a backup"))
    message = f"{seen.role} may use {seen.schema} and write all {len(tables)} tables"
    return found or [ok("permissions", message)]


def _on_schema(seen: Privileges, *, is_complete: bool) -> Iterator[Finding]:
    if not seen.temporary:
        yield problem(
            "permissions",
            f"{seen.role} may not make temporary tables in {seen.database}, where bills are staged",
            f"GRANT TEMPORARY ON DATABASE {seen.database} TO {seen.role};",
        )
    needed = {"USAGE": seen.usage, "CREATE": seen.create or is_complete}
    if lacking := [name for name, given in needed.items() if not given]:
        yield problem(
            "permissions",
            f"{seen.role} lacks {' and '.join(lacking)} on the schema {seen.schema}",
            f"GRANT {', '.join(lacking)} ON SCHEMA {seen.schema} TO {seen.role};",
        )


def clock(theirs: datetime, ours: datetime, ahead: Ahead) -> list[Finding]:
    """Whether the server's clock agrees with ours, and whether anything is dated in the future."""
    found = []
    apart = abs(theirs - ours)
    if apart > TOLERATED:
        told = warning if apart <= WRONG else problem
        text = (
            f"the database's clock is {apart.total_seconds():.0f} s "
            f"{'ahead of' if theirs > ours else 'behind'} ours"
        )
        found.append(told("clock", text, "set both by NTP: enable chrony or systemd-timesyncd"))
    if ahead.runs:
        text = f"{ahead.runs} runs began in the future, by our clock"
        remedy = "set the clock; such runs hold back no later one"
        found.append(warning("clock", text, remedy))
    if ahead.days:
        text = f"{ahead.days} stored days lie in the future, up to {ahead.newest_day}"
        remedy = "finops-exporter costs --by day shows them; ask the source, or set the clock"
        found.append(warning("clock", text, remedy))
    state = f"generation {ahead.generation} since {ahead.changed_at:%Y-%m-%d %H:%M} UTC"
    return found or [ok("clock", f"clocks {apart.total_seconds():.1f} s apart; {state}")]
