"""FOCUS 1.0-1.2 cost files (CSV, CSV.gz, Parquet) on a local disk or in a store of objects.

The files are read by a short-lived child process (`reader`), so that DuckDB's memory is given
back when the work is done, and a file that kills it takes nothing else along.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from finops_exporter.collectors.focus.answers import Together, is_last, parse
from finops_exporter.collectors.focus.deliveries import SPOOL_PREFIX, Remote
from finops_exporter.collectors.focus.listing import FORMATS, listing
from finops_exporter.collectors.focus.objects import ObjectError
from finops_exporter.collectors.focus.options import FocusOptions
from finops_exporter.errors import CollectError
from finops_exporter.model import (
    Complete,
    ControlTotal,
    Plan,
    PlannedPart,
    Progress,
    Rejected,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

    from finops_exporter.collectors import Ask, Options
    from finops_exporter.collectors.focus.objects import StoredObject
    from finops_exporter.model import Api, Item, Task, Window

_READER_VERSION = 2
"""Part of every fingerprint: raise it when the same file would give other items."""

_READER = "finops_exporter.collectors.focus.reader"

_GRACE_SECONDS = 10.0


class FocusCollector:
    """Reads every file that matches the configured patterns.

    One file is one part; so is one delivery of several objects (see deliveries).
    """

    default_lag: ClassVar[timedelta] = timedelta(0)
    provider: ClassVar[str | None] = None

    Config: ClassVar[type[Options]] = FocusOptions

    def __init__(self, name: str, options: FocusOptions, tags: Mapping[str, Sequence[str]]) -> None:
        self.name = name
        self._options = options
        self._tags = {tag: list(keys) for tag, keys in tags.items()}
        self._remote = Remote(options, name)
        self._objects: Mapping[str, tuple[StoredObject, ...]] = {}
        self._reader: _Reader | None = None
        self._stop = threading.Event()

    def plan(self, task: Task, ask: Ask) -> Plan:
        """List the files; every one not readable is named in `unreadable` with the reason.

        In stores of objects that takes requests: some for the listings, and one a manifest.
        """
        window = task.window
        found = listing(self._options.local())
        remote = self._remote.listing(ask)
        self._objects = remote.parts
        parts = [self._local_part(path, stat, window) for path, stat in found.files.items()]
        parts += [self._remote_part(key, window) for key in remote.parts]
        fetched: Counter[Api] = Counter()
        for part in parts:
            if task.wants(part):
                fetched += self._remote.requests(self._objects.get(part.key, ()))
        unlisted = (*found.unlisted, *remote.unlisted)
        return Plan(
            parts=tuple(parts),
            window=window,
            requests=remote.requests + fetched,
            unreadable=(*unlisted, *found.skipped, *remote.skipped),
            whole=not unlisted,
            withdraws=self._options.missing_files == "withdraw",
        )

    def _local_part(self, path: str, stat: os.stat_result, window: Window | None) -> PlannedPart:
        fingerprint = self._fingerprint([stat.st_size, stat.st_mtime_ns], window)
        return PlannedPart(path, fingerprint, stat.st_size)

    def _remote_part(self, key: str, window: Window | None) -> PlannedPart:
        objects = self._objects[key]
        fingerprint = self._fingerprint([[one.etag, one.size] for one in objects], window)
        return PlannedPart(key, fingerprint, sum(one.size for one in objects))

    def _fingerprint(self, content: list[Any], window: Window | None) -> str:
        outcome = [
            _READER_VERSION,
            *content,
            self._tags,
            self._options.defaults.model_dump(),
            None if window is None else [window.since.isoformat(), window.until.isoformat()],
        ]
        return hashlib.sha256(json.dumps(outcome).encode()).hexdigest()

    def _has_changed(self, part: PlannedPart, window: Window | None) -> bool:
        try:
            return self._local_part(part.key, Path(part.key).stat(), window) != part
        except OSError:
            return True

    def collect(self, task: Task, plan: Plan, ask: Ask) -> Iterator[Item]:
        """Read the planned files one after the other; see model.Item for the order of what comes.

        Raises CollectError when DuckDB is not installed.
        """
        del task  # the plan says it all
        if importlib.util.find_spec("duckdb") is None:
            raise CollectError(
                f"source {self.name!r} needs DuckDB: pip install 'finops-exporter[focus]'"
            )
        self._stop.clear()
        with _Reader() as self._reader:
            for part in plan.parts:
                if objects := self._objects.get(part.key):
                    yield from self._read_objects(self._reader, part, objects, plan.window, ask)
                else:
                    yield from self._read_file(self._reader, part, plan.window)

    def daily_usd(self, interval: timedelta, stored: Mapping[str, str]) -> Decimal:
        """What the listings cost; local files are free, and new objects next to nothing."""
        runs = Decimal(timedelta(days=1) // timedelta(seconds=1)) / int(interval.total_seconds())
        return (runs * self._remote.usd_a_run(stored)).quantize(Decimal("1E-8"))

    def retry_after(self, error: Exception) -> timedelta | None:
        """What the store says that did not answer."""
        return self._remote.retry_after(error)

    def cancel(self) -> None:
        """End the child: the file under way is then rejected, and the kernel stops the run."""
        self._stop.set()
        if self._reader is not None:
            self._reader.kill()

    def _read_file(
        self, reader: _Reader, part: PlannedPart, window: Window | None
    ) -> Iterator[Item]:
        for item in self._read(reader, Path(part.key), part, window):
            match item:
                case Complete() | Rejected() if self._has_changed(part, window):
                    text = "changed while it was read; it is read again next time"
                    yield Rejected(part.key, "changed_while_read", text)
                case _:
                    yield item

    def _read_objects(
        self,
        reader: _Reader,
        part: PlannedPart,
        objects: Sequence[StoredObject],
        window: Window | None,
        ask: Ask,
    ) -> Iterator[Item]:
        """Fetch and read one after the other; the first that cannot be read rejects the part."""
        together, before = Together(), 0
        for one in objects:
            named = "" if one.url == part.key else f"{one.url}: "
            try:
                file = reader.spool() / f"object{_suffix(one.key)}"
                yield Progress(part.key, 2 * before, 2 * part.size_bytes)
                store = self._remote.store(one.scheme)
                for done in store.fetch(one, file, ask, self._stop):
                    yield Progress(part.key, 2 * before + done, 2 * part.size_bytes)
            except ObjectError as error:
                yield Rejected(part.key, error.reason, f"{named}{error}")
                return
            except OSError as error:
                text = f"cannot be kept in {tempfile.gettempdir()}: {error.strerror}"
                remedy = "make room there, or set TMPDIR to another folder"
                yield Rejected(part.key, "no_space", f"{named}{text}; {remedy}")
                return
            for item in self._read(reader, file, part, window):
                match item:
                    case Rejected():
                        text = item.message.replace(str(file.resolve()), one.url)
                        yield replace(item, message=named + text.replace(str(file), one.url))
                        return
                    case ControlTotal() | Complete():
                        together.take(item)
                    case Progress():
                        done = 2 * before + one.size + item.done
                        yield Progress(part.key, done, 2 * part.size_bytes)
                    case _:
                        yield item
            file.unlink()
            before += one.size
        yield from together.end(part, window)

    def _read(
        self, reader: _Reader, file: Path, part: PlannedPart, window: Window | None
    ) -> Iterator[Item]:
        """What is in `file`, as said by `part`; a Complete or a Rejected comes last."""
        defaults = self._options.defaults
        stand_ins = {"ProviderName": defaults.provider, "BillingCurrency": defaults.currency}
        job = {
            "path": str(file),
            "memory_limit": self._options.memory_limit,
            "tags": self._tags,
            "defaults": {column: value for column, value in stand_ins.items() if value},
            "since": window and window.since.isoformat(),
            "until": window and window.until.isoformat(),
        }
        try:
            for message in reader.answers(job):
                yield from parse(message, part, window, tuple(self._tags))
        except _ReaderDiedError as death:
            text = (
                f"the reading process {death}; if memory ran short, give the container more or"
                f" lower memory_limit (now {self._options.memory_limit})"
            )
            yield Rejected(part.key, "reader_died", text)


def _suffix(key: str) -> str:
    """How the key ends that says the format."""
    return next(suffix for suffix in FORMATS if key.lower().endswith(suffix))


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

    def spool(self) -> Path:
        """The child's private folder, which it removes even when we cannot any more."""
        if self._process is None:
            self._start()
        return self._spool

    def kill(self) -> None:
        """End the child at once; called from another thread."""
        if self._process is not None:
            self._process.kill()

    def _start(self) -> subprocess.Popen[str]:
        self._spool = Path(tempfile.mkdtemp(prefix=SPOOL_PREFIX))
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
