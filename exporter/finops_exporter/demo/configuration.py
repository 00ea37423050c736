"""The configuration that reads the demo's files."""

from __future__ import annotations

import json
from glob import escape
from typing import TYPE_CHECKING

from finops_exporter.demo.company import DEMO

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from finops_exporter.demo.catalogue import Account
    from finops_exporter.demo.limits import DemoBudget


_TEXT = """\
# The demo of finops-exporter: an invented company in three clouds, anchored at today.
# A real configuration looks the same, with your own files in place of the demo's.

server:
  listen: {listen}

# The API of AI budgets; the demo's token is for this machine only.
ai:
  listen: {ai_listen}
{database}
# Each tag, and the keys under which people typed it; the first key that is present counts.
tags:
  team: [team]
  project: [project]
  environment: [environment, env]

# Names and owners for the ids in the bills: alerts and dashboards show them.
accounts:
{accounts}
{budgets}
# Where the bills lie. A file is read again when it changes.
collectors:
  - type: focus
    name: demo
    paths: [{paths}]
    interval: 5m
    timeout: 5m
"""

_DATABASE = """
# PostgreSQL, embedded: invented money stays apart from a real store.
database:
  data_dir: {}
"""

_SERVER = """
# PostgreSQL, a database of the demo alone: invented money stays apart from a real store.
database:
  url: !file {}
"""


_BUDGETS = """
# What may be spent. The limits follow the demo's own bills: one is used up, another almost.
budgets:
{}
"""


def config_text(
    folder: Path,
    *,
    listen: str,
    ai_listen: str = "127.0.0.1:3010",
    data_dir: Path | None = None,
    url_file: Path | None = None,
    budgets: Sequence[DemoBudget] = (),
) -> str:
    """A commented YAML configuration for the files in `folder`, served at `listen` (host:port).

    The API of AI budgets is served at `ai_listen`.

    The database is the one whose URL stands in `url_file`, if one is given, or else an embedded one
    with its files in `data_dir`.
    """
    accounts = "\n".join(f"  - {_account(account)}" for account in DEMO.accounts)
    return _TEXT.format(
        listen=_quoted(listen),
        ai_listen=_quoted(ai_listen),
        database=_database(data_dir, url_file),
        accounts=accounts,
        budgets=_BUDGETS.format("\n".join(map(_budget, budgets))) if budgets else "",
        paths=_quoted(f"{escape(str(folder.absolute()))}/*.parquet"),
    )


def _database(data_dir: Path | None, url_file: Path | None) -> str:
    if url_file is not None:
        return _SERVER.format(_quoted(str(url_file.absolute())))
    return "" if data_dir is None else _DATABASE.format(_quoted(str(data_dir.absolute())))


def _quoted(text: str) -> str:
    """A JSON string, which is a YAML string too, whatever is in it."""
    return json.dumps(text, ensure_ascii=False)


def _account(account: Account) -> str:
    """One account on one line."""
    return (
        f"{{provider: {account.provider.key}, id: {_quoted(account.id)},"
        f" name: {account.name}, owner: {account.owner}}}"
    )


def _budget(one: DemoBudget) -> str:
    """One budget on one line; what is left out has its default."""
    keys = {
        "name": one.name,
        "scope": one.scope,
        "value": one.value,
        "amount": one.amount,
        "period": one.period,
        "time_zone": None if one.time_zone == "UTC" else one.time_zone,
        "owner": one.owner,
    }
    return "  - {" + ", ".join(f"{key}: {text}" for key, text in keys.items() if text) + "}"
