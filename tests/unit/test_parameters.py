from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from finops_exporter.config import Config, Log, Server, default
from finops_exporter.errors import UsageError
from finops_exporter.parameters import overridden

BEFORE = Config(server=Server(listen="0.0.0.0:1", refresh=timedelta(seconds=3)))


@pytest.mark.parametrize("listen", ["127.0.0.1:9000", "[::1]:0", "localhost:65535"])
def test_an_address_of_the_command_line_beats_the_files(listen: str) -> None:
    after = overridden(BEFORE, {"server__listen": listen, "log__level": None})
    assert (after.server.listen, after.server.refresh) == (listen, timedelta(seconds=3))
    assert after.log == BEFORE.log
    assert BEFORE.server.listen == "0.0.0.0:1"


@pytest.mark.parametrize("listen", ["", "nowhere", ":9836", "host:", "host:65536", "[::g]:1"])
def test_an_address_that_is_none_is_refused(listen: str) -> None:
    with pytest.raises(UsageError) as caught:
        overridden(default({}), {"server__listen": listen})
    assert str(caught.value).startswith("--web.listen-address: must ")
    assert str(caught.value).endswith(f", not {listen!r}")


def test_flags_of_several_sections_go_together() -> None:
    flags = {
        "server__telemetry_path": "/finops",
        "server__web_config_file": Path("web.yaml"),
        "log__level": "warn",
        "log__format": "logfmt",
    }
    after = overridden(BEFORE, flags)
    assert after.server == Server(
        listen="0.0.0.0:1",
        refresh=timedelta(seconds=3),
        telemetry_path="/finops",
        web_config_file=Path("web.yaml"),
    )
    assert after.log == Log(level="warning", format="logfmt")


@pytest.mark.parametrize("path", ["", "metrics", "/", "/-/ready", "/a b", "/../a", "/a/", "/a?b"])
def test_a_path_that_cannot_be_served_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match=r"--web\.telemetry-path: must be a path such as"):
        overridden(BEFORE, {"server__telemetry_path": path})
