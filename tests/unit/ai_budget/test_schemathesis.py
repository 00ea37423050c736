"""schemathesis tries what the description allows and what it does not, on the real server."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from unit.ai_budget.api_support import LOOPBACK, bearer, ledger_of, serving

if TYPE_CHECKING:
    from doubles.ai_ledger import MemoryLedger

EXAMPLES = 60
"""How many requests are made up for a route, beside those that are tried in any case."""


def spacious() -> MemoryLedger:
    return ledger_of("100000")


def spent() -> MemoryLedger:
    return ledger_of("0")


@pytest.mark.parametrize("ledger", [spacious, spent])
def test_every_answer_is_as_described_and_wrong_requests_are_refused(
    ledger: type[MemoryLedger], tmp_path: Path
) -> None:
    async def go() -> tuple[int | None, str]:
        async with serving(ledger()) as client:
            running = await asyncio.create_subprocess_exec(
                Path(sys.executable).with_name("schemathesis"),
                "run",
                f"http://{LOOPBACK}:{client.api.listener.port}/api/openapi.json",
                f"--header=Authorization: Bearer {bearer('admin')}",
                "--checks=all",
                # What fits the description may still contradict itself or come from a wrong clock.
                "--exclude-checks=positive_data_acceptance",
                "--phases=examples,coverage,fuzzing",
                f"--max-examples={EXAMPLES}",
                "--generation-deterministic",
                "--no-shrink",
                "--no-color",
                "--warnings=off",
                cwd=tmp_path,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            said, _ = await running.communicate()
            return running.returncode, said.decode()

    code, said = asyncio.run(go())
    assert code == 0, said
    assert "Tested: 6\n" in said
