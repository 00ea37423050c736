"""nginx with one ready body: the least that serving these bytes can take."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from integration.processes import free_port

from .processes import first_answer, program, running
from .servers import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# One process, which needs neither root nor another user; all that it writes is in its own folder.
CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    server {{
        listen {loopback}:{port};
        location = /metrics {{
            alias {folder}/body.gz;
            default_type "{content_type}";
            add_header Content-Encoding gzip;
        }}
    }}
}}
"""


@contextmanager
def serving(body: bytes, content_type: str, folder: Path) -> Iterator[int]:
    """The port on which /metrics gives this gzip body; raises UnavailableError."""
    nginx, port = program("nginx", "nginx"), free_port()
    folder.mkdir()
    (folder / "body.gz").write_bytes(body)
    configuration = folder / "nginx.conf"
    configuration.write_text(
        CONFIGURATION.format(
            folder=folder, loopback=LOOPBACK, port=port, content_type=content_type
        ),
        encoding="utf-8",
    )
    command = (nginx, "-p", folder, "-c", configuration, "-e", folder / "error.log")
    with running(*command, stderr=subprocess.DEVNULL) as process:
        if first_answer(process, port).body != body:
            raise AssertionError("nginx does not serve the bytes")
        yield port
