"""`make run`: the demo, and where they are available Prometheus and Alertmanager with our files."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

# Whoever changes their mind while Python still reads its modules sees no traceback.
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import click

from finops_exporter.store.embedded import default_data_dir
from local_stack import installed
from local_stack.addresses import Listener, trouble
from local_stack.alone import alone
from local_stack.stack import Ports, Programs, Stack, say, until_signal

if TYPE_CHECKING:
    from types import FrameType

# Every login of Alertmanager is a warning there, about what none of our code uses.
logging.getLogger("mail.log").setLevel(logging.ERROR)

LEFT_OUT = (
    "Prometheus and Alertmanager are left out: put prometheus and alertmanager on PATH, or run "
    "`make tools` where apt exists. The demo runs without them."
)


def _port(name: str, default: int, what: str) -> click.Option:
    variable = f"{name.upper()}_PORT"
    return click.Option(
        [f"--{name}-port"],
        envvar=variable,
        type=click.IntRange(1, 65535),
        default=default,
        show_default=True,
        help=f"{what} (or ${variable})",
    )


def main(
    *,
    folder: Path | None,
    metrics_port: int,
    api_port: int,
    prometheus_port: int,
    alertmanager_port: int,
    mailbox_port: int,
    fast: bool,
) -> None:
    """Serve the demo, its alerts and a mailbox of all that people are told, until Ctrl-C."""
    metrics = Listener("the demo", metrics_port, "METRICS_PORT")
    api = Listener("the API of AI budgets", api_port, "API_PORT")
    ports = Ports(
        metrics,
        Listener("Prometheus", prometheus_port, "PROMETHEUS_PORT"),
        Listener("Alertmanager", alertmanager_port, "ALERTMANAGER_PORT"),
        Listener("the mailbox page", mailbox_port, "MAILBOX_PORT"),
    )
    home = (folder or default_data_dir(os.environ).parent / "demo").absolute()
    demo = [sys.executable, "-m", "finops_exporter", "demo", "--serve", "--folder", str(home)]
    demo += ["--web.listen-address", metrics.address, "--ai.listen-address", api.address]
    prometheus, alertmanager = installed.prometheus(), installed.alertmanager()
    if prometheus is None or alertmanager is None:
        _expect_free(metrics, api)
        say(LEFT_OUT)
        os.execv(sys.executable, demo)  # noqa: S606 - ourselves
    _expect_free(metrics, api, ports.prometheus, ports.alertmanager, ports.mailbox)
    alerting = home / "alerting"
    with alone(alerting):
        stack = Stack(ports, Programs(prometheus, alertmanager), demo, alerting, quick=fast)
        sys.exit(asyncio.run(_run(stack)))


def _expect_free(*listeners: Listener) -> None:
    if reason := trouble(listeners):
        raise click.ClickException(reason)


async def _run(stack: Stack) -> int:
    loop = asyncio.get_running_loop()
    signalled: asyncio.Future[int] = loop.create_future()

    def tell(number: int) -> None:
        if signalled.done():
            say("Still ending, a few seconds more ...")
        else:
            signalled.set_result(number)

    def heard(number: int, _frame: FrameType | None) -> None:
        # Not by the loop's own handlers: closing it would bring KeyboardInterrupt back.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(tell, number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, heard)
    return await until_signal(stack, signalled)


command = click.Command(
    "make run",
    callback=main,
    help=main.__doc__,
    params=[
        click.Option(
            ["--folder"],
            envvar="DEMO_FOLDER",
            type=click.Path(path_type=Path, file_okay=False),
            help="where all data goes; default: below the data folder (or $DEMO_FOLDER)",
        ),
        _port("metrics", 9836, "/metrics"),
        _port("api", 3010, "the API of AI budgets"),
        _port("prometheus", 9090, "Prometheus"),
        _port("alertmanager", 9093, "Alertmanager"),
        _port("mailbox", 8025, "the page with all that people are told"),
        click.Option(
            ["--fast"],
            is_flag=True,
            envvar="FAST",
            help="shorten what alerts wait for, so that they are told within a minute (or $FAST)",
        ),
    ],
)

if __name__ == "__main__":
    command()
