"""A process with libraries alone, started as a module: PORT FILE LIBRARY...

Imports the libraries, then serves the file at /metrics of 127.0.0.1 with nothing but aiohttp (which
it has in any case) until it is told to end.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from pathlib import Path

from aiohttp import web


def main(port: int, file: Path, libraries: list[str]) -> None:
    """Import what is there of the libraries, and serve."""
    for library in libraries:
        # Modules that others make under way are listed too; they cannot be imported by name.
        with suppress(ImportError):
            importlib.import_module(library)
    body = file.read_bytes()

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=body)

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    web.run_app(app, host="127.0.0.1", port=port, print=None)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
