"""`make run`: the demo is served, and the lines of the README do what it says they do."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import uuid
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

from finops_exporter.store.embedded import ROOT_HOME
from integration.processes import end, free_port, started, until
from shared import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that root's embedded server can reach as well."""
    home = (
        Path(ROOT_HOME if os.geteuid() == 0 else ROOT / ".cache") / f"demo-{uuid.uuid4().hex[:8]}"
    )
    yield home
    shutil.rmtree(home, ignore_errors=True)


def curl_lines() -> list[str]:
    section = README.split("## AI budgets")[1]
    (block,) = re.findall(r"```sh\n(curl.*?)```", section, re.DOTALL)
    return str(block).splitlines()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing: install it to try these")
def test_the_lines_of_the_readme_set_a_budget_use_it_up_and_show_it(folder: Path) -> None:
    pages, api = free_port(), free_port()
    addresses = (
        "--web.listen-address",
        f"127.0.0.1:{pages}",
        "--ai.listen-address",
        f"127.0.0.1:{api}",
    )
    with started("demo", "--serve", "--folder", folder, *addresses) as process:
        assert process.stdout
        token_line = next(line for line in process.stdout if "TOKEN=" in line)
        token_file = folder / "ai-token"
        assert str(token_file) in token_line
        assert token_file.stat().st_mode & 0o077 == 0
        results = [
            subprocess.run(
                ["/bin/bash", "-c", line.replace(":3010/", f":{api}/")],
                env={**os.environ, "TOKEN": token_file.read_text().strip()},
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            ).stdout
            for line in curl_lines()
        ]
        set_, codes, status = results
        assert json.loads(set_)["budgets"][0]["monthly_limit_usd"] == 0.1
        assert codes.split() == ["200", "200", "200", "429", "429", "429"]
        (budget,) = json.loads(status)["budgets"]
        assert (budget["reserved_usd"], budget["remaining_usd"]) == (0.09, 0.01)

        def is_shown() -> bool:
            with urlopen(f"http://127.0.0.1:{pages}/metrics", timeout=10) as answer:
                assert answer.status == HTTPStatus.OK
                body = answer.read().decode()
            return 'ai_budget_reserved_usd{model="*",tenant_id="test-tenant"} 0.09' in body

        until(is_shown, "the budget is among the metrics", 40)
        end(process, seconds=30)
    assert process.returncode == 0


def test_the_demos_token_is_for_this_machine_alone(folder: Path) -> None:
    with started("demo", "--folder", folder, "--ai.listen-address", "0.0.0.0:3010") as process:
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "--ai.listen-address: must be an address of this machine alone" in stderr
    assert not folder.exists()
