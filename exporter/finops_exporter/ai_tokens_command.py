"""The commands below `ai tokens`: who may ask the API of AI budgets."""

from __future__ import annotations

import difflib
import json
import os
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

import click

from finops_exporter import app, printing
from finops_exporter.ai_model import LONGEST_ID
from finops_exporter.api_token import ROLES, ApiToken, Role, issue
from finops_exporter.errors import UsageError
from finops_exporter.parameters import DAY, config_option, system_user
from finops_exporter.store import tokens as store

if TYPE_CHECKING:
    from finops_exporter.config import Config


@click.group(short_help="Make, list and revoke tokens of the API.")
def tokens() -> None:
    """Make, list and revoke tokens of the API of AI budgets.

    A reader sees how budgets stand. A service also asks before its calls and tells what they used.
    An admin also sets budgets.
    """


@tokens.command(short_help="Make a token.")
@click.argument("name")
@config_option
@click.option("--role", type=click.Choice(ROLES), required=True, help="What it may do.")
@click.option(
    "--tenant",
    "tenants",
    multiple=True,
    help="Only for this one; repeatable; default: for all. Not for an admin.",
)
@click.option("--expires", type=DAY, metavar="DAY", help="The last day (UTC) it holds.")
def create(
    config: Config, *, name: str, role: Role, tenants: tuple[str, ...], expires: date | None
) -> None:
    """Make a token called NAME and print it: now and never again.

    The API knows it within two seconds. Send it as `Authorization: Bearer TOKEN`.

    \b
    Examples:
      finops-exporter ai tokens create billing-ui --role reader
      finops-exporter ai tokens create chat --role service --tenant acme --expires 2027-06-30
    """
    now = app.utc_now()
    _check(name, role, tenants)
    if expires is not None and expires < now.date():
        raise UsageError(f"--expires {expires} is over")
    issued = issue()
    kept = ApiToken(issued.id, name, role, tenants, issued.digest, now, _end_of(expires))
    with app.store_of(config, os.environ) as database:
        store.create(database, kept, by=system_user())
    click.echo(f"{name}: made; it is shown only now", err=True)
    click.echo(issued.text)


@tokens.command("list", short_help="Print the tokens.")
@config_option
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def list_tokens(config: Config, form: str) -> None:
    """Print the tokens that are not revoked, without their secrets. Times are UTC.

    \b
    Example:
      finops-exporter ai tokens list --format json
    """
    with app.readable_store_of(config, os.environ) as database:
        found = store.tokens(database)
    now = app.utc_now()
    if form == "json":
        shown = [_as_json(one, now) for one in found]
        click.echo(json.dumps({"tokens": shown}, indent=2, ensure_ascii=False))
        return
    lines = [
        (
            one.name,
            one.id,
            one.role,
            ", ".join(one.tenants) or "all",
            f"{one.created_at:%Y-%m-%d %H:%M}",
            _shown_end(one, now),
        )
        for one in found
    ]
    printing.table(("token", "id", "role", "tenants", "made", "expires"), lines, numbers=())


@tokens.command(short_help="Revoke a token.")
@click.argument("name")
@config_option
def revoke(config: Config, *, name: str) -> None:
    """Have nobody use the token called NAME any more. The API knows it within two seconds.

    \b
    Example:
      finops-exporter ai tokens revoke chat
    """
    with app.store_of(config, os.environ) as database:
        if not store.revoke(database, name, app.utc_now()):
            raise _unknown(name, [one.name for one in store.tokens(database)])
    click.echo(f"{name}: revoked")


def _check(name: str, role: Role, tenants: tuple[str, ...]) -> None:
    for text, what in ((name, "NAME"), *((tenant, "--tenant") for tenant in tenants)):
        if not text.isprintable() or text != text.strip() or not 1 <= len(text) <= LONGEST_ID:
            raise UsageError(
                f"{what} must be 1 to {LONGEST_ID} printable characters without blanks around "
                f"them, not {text!r}"
            )
    if tenants and role == "admin":
        raise UsageError("an admin sets budgets of all tenants; leave out --tenant")
    if len(set(tenants)) < len(tenants):
        raise UsageError("--tenant names a tenant twice")


def _unknown(name: str, names: list[str]) -> UsageError:
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    known = ", ".join(names) or "there is none"
    return UsageError(f"there is no token {name!r}{hint} (tokens: {known})")


def _end_of(day: date | None) -> datetime | None:
    """When a day (UTC) is over."""
    return None if day is None else datetime.combine(day + timedelta(days=1), time(), UTC)


def _as_json(token: ApiToken, now: datetime) -> dict[str, object]:
    expires = token.expires_at
    return {
        "name": token.name,
        "id": token.id,
        "role": token.role,
        "tenants": list(token.tenants),
        "created_at": token.created_at.isoformat(timespec="seconds"),
        "expires_at": expires and expires.isoformat(timespec="seconds"),
        "expired": token.is_expired(now),
    }


def _shown_end(token: ApiToken, now: datetime) -> str:
    if token.expires_at is None:
        return "never"
    return f"{token.expires_at:%Y-%m-%d %H:%M}{' (over)' if token.is_expired(now) else ''}"
