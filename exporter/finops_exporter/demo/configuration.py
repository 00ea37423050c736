"""The configuration that reads the demo's files."""

from __future__ import annotations

import json
from glob import escape
from typing import TYPE_CHECKING

from finops_exporter.demo.company import DEMO

if TYPE_CHECKING:
    from pathlib import Path

    from finops_exporter.demo.catalogue import Account


_TEXT = """\
# The demo of finops-exporter: an invented company in three clouds, anchored at today.
# A real configuration looks the same, with your own files in place of the demo's.

server:
  listen: {listen}
{database}
# Each tag, and the keys under which people typed it; the first key that is present counts.
tags:
  team: [team]
  project: [project]
  environment: [environment, env]

# Names and owners for the ids in the bills: alerts and dashboards show them.
accounts:
{accounts}

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


def config_text(folder: Path, *, listen: str, data_dir: Path | None = None) -> str:
    """A commented YAML configuration for the files in `folder`, served at `listen` (host:port).

    The embedded database keeps its files in `data_dir`, if one is given.
    """
    accounts = "\n".join(f"  - {_account(account)}" for account in DEMO.accounts)
    database = "" if data_dir is None else _DATABASE.format(_quoted(str(data_dir.absolute())))
    return _TEXT.format(
        listen=_quoted(listen),
        database=database,
        accounts=accounts,
        paths=_quoted(f"{escape(str(folder.absolute()))}/*.parquet"),
    )


def _quoted(text: str) -> str:
    """A JSON string, which is a YAML string too, whatever is in it."""
    return json.dumps(text, ensure_ascii=False)


def _account(account: Account) -> str:
    """One account on one line."""
    return (
        f"{{provider: {account.provider.key}, id: {_quoted(account.id)},"
        f" name: {account.name}, owner: {account.owner}}}"
    )
