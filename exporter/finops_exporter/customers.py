"""Counting customers: asked in the background and kept in the store, never at a scrape."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from urllib.request import urlopen

import structlog

from finops_exporter.analysis.billing_time import trailing
from finops_exporter.errors import CollectError, FinopsError, StoreError
from finops_exporter.model import utc_midnight
from finops_exporter.store import customers as store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from finops_exporter.customer_config import Customers
    from finops_exporter.model import Window
    from finops_exporter.store.database import Database

WINDOWS = ("current", "previous")
DAYS = 30
RETRY = timedelta(minutes=5)
"""How long to wait after a question that failed."""

MAX_BYTES = 1024 * 1024
log = structlog.get_logger()


def count(database: Database, config: Customers, now: datetime) -> timedelta:
    """Ask if it is due (aware UTC `now`), keep the answer, and return how long to wait then.

    What another process has asked is not asked again.
    """
    retry = min(RETRY, config.interval)
    try:
        with database.connection() as connection:
            known = store.counts(connection)
        if (wait := _due_in(known, config, now)) > timedelta(0):
            return wait
        found, error = _answered(config, now)
        with database.connection() as connection:
            if error is not None:
                store.fail(connection, error, now)
            else:
                store.keep(connection, found, now)
    except StoreError as failure:
        error = str(failure)
    if error is not None:
        log.warning("customers could not be counted", error=error)
    return config.interval if error is None else retry


def _due_in(known: list[store.Count], config: Customers, now: datetime) -> timedelta:
    if not known or config.has_numbers:
        return timedelta(0)
    newest = max(known, key=lambda one: one.asked_at)
    pause = min(RETRY, config.interval) if newest.error else config.interval
    # One that lies ahead was written by a clock that was wrong.
    return min(newest.asked_at + pause - now, pause)


def _answered(config: Customers, now: datetime) -> tuple[Mapping[str, Decimal], str | None]:
    """The answers, or what went wrong. No connection of ours waits for them."""
    try:
        return _answers(config, now), None
    except FinopsError as error:
        return {}, str(error)


def _answers(config: Customers, now: datetime) -> Mapping[str, Decimal]:
    """How many there are in each window that is known; both end with yesterday, 30 days apart."""
    yesterday = now.date() - timedelta(days=1)
    found = {}
    for back, name in enumerate(WINDOWS):
        window = trailing(yesterday, DAYS, back)
        if config.has_numbers:
            number = getattr(config, name)
            if number is not None:
                found[name] = number
        else:
            found[name] = _number(_asked(config, window))
    return found


def _asked(config: Customers, window: Window) -> Any:
    if config.database_url is not None and config.sql is not None:
        url = config.database_url.get_secret_value()
        return store.ask(url, config.sql, window, config.timeout)
    return _asked_prometheus(config, window)


def _asked_prometheus(config: Customers, window: Window) -> Any:
    """The single value that the expression has at the end of the window."""
    asked = {"query": config.query, "time": utc_midnight(window.until).timestamp()}
    url = f"{str(config.prometheus).rstrip('/')}/api/v1/query?{urlencode(asked)}"
    try:
        with urlopen(url, timeout=config.timeout.total_seconds()) as answer:  # noqa: S310 - http(s), as the configuration was checked for
            data = json.loads(answer.read(MAX_BYTES))["data"]
        result = data["result"]
        samples = [result] if data["resultType"] == "scalar" else [one["value"] for one in result]
        values = [sample[1] for sample in samples]
    except (OSError, HTTPException, ValueError, LookupError, TypeError) as error:
        text = f"{type(error).__name__}: {error}"
        raise CollectError(f"customers: Prometheus gave no answer ({text})") from error
    if len(values) != 1:
        raise CollectError(f"customers: query must give one sample, not {len(values)}")
    return values[0]


def _number(answer: Any) -> Decimal:
    try:
        number = Decimal(str(answer))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise CollectError(f"customers: must be counted with a number from 0, not {answer!r}")
    return number
