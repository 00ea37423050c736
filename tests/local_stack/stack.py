"""The demo with Prometheus, Alertmanager and a mailbox beside it, until somebody ends it."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import aiohttp

from doubles.receivers import Receivers
from local_stack.asking import Asker
from local_stack.child import Child
from local_stack.inbox import Inbox, message_of
from local_stack.mailbox_page import MailboxPage
from local_stack.page import Shown
from local_stack.programs import start_alertmanager, start_prometheus, told_here
from local_stack.telling import addressees, shipped
from local_stack.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from doubles.receivers import Told
    from local_stack.addresses import Listener
    from local_stack.installed import Installed

END_SECONDS = 10.0
DEMO_END_SECONDS = 60.0
"""The demo has a database to close."""

QUICK_NOTE = (
    "FAST: what the rules and Alertmanager wait for is shortened to seconds; thresholds are not."
)


@dataclass(frozen=True)
class Ports:
    """Who listens where."""

    metrics: Listener
    prometheus: Listener
    alertmanager: Listener
    mailbox: Listener


@dataclass(frozen=True)
class Programs:
    """What was found on this machine."""

    prometheus: Installed
    alertmanager: Installed


def say(text: str) -> None:
    """Write a line at once; nobody who reads any more is no error."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def utc_now() -> datetime:
    """The time, aware."""
    return datetime.now(UTC)


class Stack:
    """One run; `demo` is the command that serves the demo, `folder` keeps what the others write."""

    def __init__(
        self, ports: Ports, programs: Programs, demo: Sequence[str], folder: Path, *, quick: bool
    ) -> None:
        self._ports = ports
        self._programs = programs
        self._demo = demo
        self._folder = folder
        self._quick = quick
        self._watch = Watch(say, utc_now)
        self._inbox = Inbox(folder / "mailbox.jsonl")
        self._addressees = addressees(shipped())
        self._receivers = Receivers(self._arrived)
        self._notes = [QUICK_NOTE] if quick else []
        self.is_served = False

    async def run(self) -> int:
        """Start everything and go on until the demo ends by itself; return its exit code.

        When it is cancelled, or leaves otherwise, nothing that it started runs any more.
        """
        async with AsyncExitStack() as parts:
            session = await parts.enter_async_context(aiohttp.ClientSession())
            page = MailboxPage(self._ports.mailbox.port, self._shown)
            parts.push_async_callback(page.stop)
            await page.start()
            parts.enter_context(self._receivers)
            demo = Child("the demo")
            parts.push_async_callback(demo.end, DEMO_END_SECONDS)
            await demo.start(self._demo)
            beside = asyncio.create_task(self._beside(session, demo))
            parts.push_async_callback(_cancel, beside)
            code = await demo.died()
            say(f"The demo has ended (exit code {code}), and with it everything else.")
            return code or 1

    async def _beside(self, session: aiohttp.ClientSession, demo: Child) -> None:
        """Everything but the demo, once there is something to look at."""
        if not await Asker(session, self._ports.metrics.url).until_ready(demo):
            return
        self.is_served = True
        async with AsyncExitStack() as parts:
            manager, prometheus = await self._start(parts)
            asked = Asker(session, self._ports.prometheus.url)
            is_ready = await asked.until_ready(prometheus)
            await Asker(session, self._ports.alertmanager.url).until_ready(manager)
            if is_ready:
                say(await self._welcome(asked))
            await self._watch.run(asked, prometheus)
            await asyncio.Event().wait()

    async def _start(self, parts: AsyncExitStack) -> tuple[Child, Child]:
        at, folder = self._ports, self._folder
        config = told_here(folder, self._receivers, quick=self._quick)
        manager = await start_alertmanager(
            self._programs.alertmanager, folder, at.alertmanager, config
        )
        parts.push_async_callback(manager.end, END_SECONDS)
        targets = (at.metrics.address, at.alertmanager.address)
        prometheus = await start_prometheus(
            self._programs.prometheus, folder, at.prometheus, targets, quick=self._quick
        )
        parts.push_async_callback(prometheus.end, END_SECONDS)
        for child in (manager, prometheus):
            mourning = asyncio.create_task(self._mourn(child))
            parts.push_async_callback(_cancel, mourning)
        return manager, prometheus

    async def _mourn(self, child: Child) -> None:
        code = await child.died()
        name = child.name.lower()
        note = f"{child.name} has ended (exit code {code}); the rest goes on without it."
        self._notes = [*self._notes, note]
        say(
            f"{note} Its last lines, of {self._folder / name}.log:{child.last_words()}\n"
            f"  If its data is to blame, end this, remove {self._folder / name} and start again."
        )

    async def _welcome(self, prometheus: Asker) -> str:
        at = self._ports
        # Debian's build has only the older pages.
        alerts = "/alerts" if await prometheus.answers("/alerts") else "/classic/alerts"
        urls = {
            at.mailbox.url + "/": "what leadership, the team and on-call are told",
            at.prometheus.url + alerts: "the alerts in Prometheus",
            at.alertmanager.url + "/": "Alertmanager",
        }
        width = max(map(len, urls))
        lines = "\n".join(f"  {url:{width}}  {what}" for url, what in urls.items())
        note = f"\n{QUICK_NOTE}" if self._quick else ""
        return f"Its alerts (looking at them for the first time, some 20 seconds):\n{lines}{note}\n"

    def _arrived(self, told: Told) -> None:
        """From the thread of the receivers."""
        message = message_of(told, utc_now(), self._addressees)
        self._inbox.add(message)
        say(f"{message.at:%H:%M:%S} UTC  {message.line}")

    def _shown(self) -> Shown:
        pings = len(self._receivers.switch.pings)
        return Shown(self._inbox.messages, self._watch.alerts, utc_now(), pings, self._notes)


async def until_signal(stack: Stack, signalled: asyncio.Future[int]) -> int:
    """Run it until it ends or a signal comes; return the exit code."""
    running = asyncio.create_task(stack.run())
    await asyncio.wait([running, signalled], return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        return running.result()
    say("\nEnding everything ...")
    await _cancel(running)
    # As the demo alone: ended while it was served is done, before that it was cut short.
    return 0 if stack.is_served else 128 + signalled.result()


async def _cancel(task: asyncio.Task[object]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
