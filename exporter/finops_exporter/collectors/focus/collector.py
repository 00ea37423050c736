"""FOCUS 1.0-1.2 cost files (CSV, CSV.gz, Parquet) on a local disk.

The files are read by a short-lived child process (`reader`), so that DuckDB's memory is given
back when the work is done, and a file that kills it takes nothing else along.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints

from finops_exporter.collectors import Options
from finops_exporter.collectors.focus.columns import canonical
from finops_exporter.collectors.focus.listing import listing
from finops_exporter.errors import CollectError
from finops_exporter.model import (
    Account,
    Complete,
    ControlTotal,
    CostRow,
    Plan,
    PlannedPart,
    Progress,
    Rejected,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

    from finops_exporter.collectors import Ask
    from finops_exporter.model import Item, Task, Window

_READER_VERSION = 2
"""Part of every fingerprint: raise it when the same file would give other items."""

_READER = "finops_exporter.collectors.focus.reader"

_GRACE_SECONDS = 10.0

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


def _slug(text: str) -> str:
    slug = canonical("provider", text)
    if slug is None:
        raise ValueError(
            f"{text!r} names no provider; write AWS, Microsoft, Google Cloud or another"
        )
    return slug


def _memory_size(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]*(\.[0-9]+)? ?[KMGT]i?B", text):
        raise ValueError("must be a size such as 150MB or 1GiB")
    return text


class Defaults(Options):
    """Values for files that leave a required column away or empty."""

    provider: Annotated[_Text, AfterValidator(_slug)] | None = Field(
        default=None, description="Stands in for ProviderName, such as AWS or Oracle."
    )
    currency: _Text | None = Field(
        default=None, description="Stands in for BillingCurrency, such as USD."
    )


class FocusOptions(Options):
    """Options of a source of type `focus`."""

    paths: list[_Text] = Field(
        min_length=1,
        description="Files or glob patterns (** for any folders), relative to the working"
        " directory; ~ and $VARIABLES are expanded.",
    )
    memory_limit: Annotated[str, AfterValidator(_memory_size)] = Field(
        default="150MB",
        description="What DuckDB may hold in memory before it spills to disk; the reading"
        " process takes up to 80 MB more.",
    )
    missing_files: Literal["withdraw", "keep"] = Field(
        default="withdraw",
        description="Whether the costs of files that are gone disappear as well.",
    )
    defaults: Defaults = Field(
        default=Defaults(),
        description="Values for files without ProviderName or BillingCurrency.",
    )


class FocusCollector:
    """Reads every file that matches the configured patterns; one file is one part."""

    default_lag: ClassVar[timedelta] = timedelta(0)
    provider: ClassVar[str | None] = None

    Config: ClassVar[type[Options]] = FocusOptions

    def __init__(self, name: str, options: FocusOptions, tags: Mapping[str, Sequence[str]]) -> None:
        self.name = name
        self._options = options
        self._tags = {tag: list(keys) for tag, keys in tags.items()}
        self._reader: _Reader | None = None

    def plan(self, task: Task, ask: Ask) -> Plan:
        """List the files; every one not readable is named in `unreadable` with the reason."""
        del ask  # a local disk is not asked
        window = task.window
        found = listing(self._options.paths)
        return Plan(
            parts=tuple(self._part(path, stat, window) for path, stat in found.files.items()),
            window=window,
            unreadable=(*found.unlisted, *found.skipped),
            whole=not found.unlisted,
            withdraws=self._options.missing_files == "withdraw",
        )

    def _part(self, path: str, stat: os.stat_result, window: Window | None) -> PlannedPart:
        outcome = [
            _READER_VERSION,
            stat.st_size,
            stat.st_mtime_ns,
            self._tags,
            self._options.defaults.model_dump(),
            None if window is None else [window.since.isoformat(), window.until.isoformat()],
        ]
        text = json.dumps(outcome)
        fingerprint = hashlib.sha256(text.encode()).hexdigest()
        return PlannedPart(path, fingerprint, stat.st_size)

    def _has_changed(self, part: PlannedPart, window: Window | None) -> bool:
        try:
            return self._part(part.key, Path(part.key).stat(), window) != part
        except OSError:
            return True

    def collect(self, task: Task, plan: Plan, ask: Ask) -> Iterator[Item]:
        """Read the planned files one after the other; see model.Item for the order of what comes.

        Raises CollectError when DuckDB is not installed.
        """
        del task, ask  # the plan says it all, and nothing remote is asked
        if importlib.util.find_spec("duckdb") is None:
            raise CollectError(
                f"source {self.name!r} needs DuckDB: pip install 'finops-exporter[focus]'"
            )
        with _Reader() as self._reader:
            for part in plan.parts:
                yield from self._read(self._reader, part, plan.window)

    def daily_usd(self, interval: timedelta, stored: Mapping[str, str]) -> Decimal:
        """Nothing: local files are free."""
        del interval, stored
        return Decimal(0)

    def retry_after(self, error: Exception) -> timedelta | None:
        """Never: there is no remote side."""
        del error
        return None

    def cancel(self) -> None:
        """End the child: the file under way is then rejected, and the kernel stops the run."""
        if self._reader is not None:
            self._reader.kill()

    def _read(self, reader: _Reader, part: PlannedPart, window: Window | None) -> Iterator[Item]:
        defaults = self._options.defaults
        stand_ins = {"ProviderName": defaults.provider, "BillingCurrency": defaults.currency}
        job = {
            "path": part.key,
            "memory_limit": self._options.memory_limit,
            "tags": self._tags,
            "defaults": {column: value for column, value in stand_ins.items() if value},
            "since": window and window.since.isoformat(),
            "until": window and window.until.isoformat(),
        }
        try:
            for message in reader.answers(job):
                if is_last(message) and self._has_changed(part, window):
                    text = "changed while it was read; it is read again next time"
                    yield Rejected(part.key, "changed_while_read", text)
                else:
                    yield from parse(message, part, window, tuple(self._tags))
        except _ReaderDiedError as death:
            text = (
                f"the reading process {death}; if memory ran short, give the container more or"
                f" lower memory_limit (now {self._options.memory_limit})"
            )
            yield Rejected(part.key, "reader_died", text)


def is_last(message: Mapping[str, Any]) -> bool:
    """Whether this message of the reader ends its answer about a file."""
    return not message.keys().isdisjoint({"complete", "rejected"})


def parse(
    message: Mapping[str, Any], part: PlannedPart, window: Window | None, tags: tuple[str, ...]
) -> Iterator[Item]:
    """The items in one message of the reader; `tags` names the values at the end of its rows."""
    for kind, body in message.items():
        match kind:
            case "progress":
                yield Progress(part.key, *body)
            case "accounts":
                for provider, account, name, payer, newest in body:
                    yield Account(provider, account, name, payer, date.fromisoformat(newest))
            case "rows":
                yield from (_cost_row(fields, part.key, tags) for fields in body)
            case "totals":
                for provider, month, currency, billed, effective in body:
                    amounts = Decimal(billed), Decimal(effective)
                    first = date.fromisoformat(month)
                    yield ControlTotal(part.key, provider, first, currency, *amounts)
            case "complete":
                covered = {name: datetime.fromisoformat(text) for name, text in body.items()}
                yield Complete(part.key, part.fingerprint, window, covered)
            case "rejected":
                yield Rejected(part=part.key, **body)
            case _:
                raise CollectError(f"{part.key}: the reader sent an unknown message {kind!r}")


def _cost_row(fields: Sequence[Any], part: str, tags: tuple[str, ...]) -> CostRow:
    """One group: day, provider, account, service, region, category, currency, sums, tag values."""
    day, provider, account, service, region, category, currency, billed, effective, *values = fields
    return CostRow(
        day=date.fromisoformat(day),
        provider=provider,
        account_id=account,
        service=service,
        region=region,
        charge_category=category,
        billed=Decimal(billed),
        effective=Decimal(effective),
        currency=currency,
        tags={tag: value for tag, value in zip(tags, values, strict=True) if value},
        part=part,
    )


class _ReaderDiedError(Exception):
    """The child ended before its answer was complete; the text says how."""


class _Reader:
    """The child process and its private folder: started when needed, never left behind."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._spool = Path()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def answers(self, job: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """All messages about one file; raises _ReaderDiedError, and the next call starts anew."""
        process = self._process or self._start()
        if process.stdin is None or process.stdout is None:
            raise AssertionError("both were asked for")
        try:
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            raise _ReaderDiedError(self._obituary(process)) from None
        for line in process.stdout:
            # A line without its end is the last breath of a process that was killed.
            if not line.endswith("\n"):
                break
            message = json.loads(line)
            yield message
            if is_last(message):
                return
        raise _ReaderDiedError(self._obituary(process))

    def kill(self) -> None:
        """End the child at once; called from another thread."""
        if self._process is not None:
            self._process.kill()

    def _start(self) -> subprocess.Popen[str]:
        self._spool = Path(tempfile.mkdtemp(prefix="finops-focus-"))
        with (self._spool / "stderr").open("wb") as stderr:
            self._process = subprocess.Popen(  # noqa: S603 - our own module, fixed arguments
                [sys.executable, "-P", "-m", _READER, str(self._spool)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                encoding="utf-8",
            )
        return self._process

    def _obituary(self, process: subprocess.Popen[str]) -> str:
        """How a child that closed its stdout came to its end; what it left behind is removed."""
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
        last_words = (self._spool / "stderr").read_text(errors="replace").strip()
        self._stop()
        if process.returncode < 0:
            return f"was killed by {signal.Signals(-process.returncode).name}"
        return f"ended with status {process.returncode} ({last_words.rpartition(chr(10))[2]})"

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            # What was not taken by the dead reader cannot be flushed, and need not be.
            with suppress(BrokenPipeError), process:
                pass
            shutil.rmtree(self._spool, ignore_errors=True)
