"""What other exporters tell (YACE, ClickHouse, cAdvisor and so on), which a test can change."""

from __future__ import annotations

import re
import threading
import time
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

from shared import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

Key = tuple[str, tuple[tuple[str, str], ...]]


class OtherExporters:
    """A page of metrics on a free port of 127.0.0.1 until it is left.

    Only what rules/foreign.toml says that there is can be told, with the labels that it names.
    """

    def __init__(self) -> None:
        self._known = dict(_metrics())
        self._samples: dict[Key, tuple[float, float, float]] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.target = f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def tell(self, name: str, value: float, /, **labels: str) -> None:
        """From now on the metric has this value."""
        self._set(self._key(name, labels), value, 0)

    def grow(self, name: str, per_second: float, /, **labels: str) -> None:
        """From now on it grows by so much a second, from what it is by now (or from 0)."""
        key = self._key(name, labels)
        with self._lock:
            begun = self._value(key, time.monotonic()) if key in self._samples else 0
        self._set(key, begun, per_second)

    def _set(self, key: Key, value: float, per_second: float) -> None:
        with self._lock:
            self._samples[key] = (value, per_second, time.monotonic())

    def forget(self, name: str, /, **labels: str) -> None:
        """From now on nothing is told of it."""
        with self._lock:
            del self._samples[self._key(name, labels)]

    def page(self) -> str:
        """What it tells now, in the text format."""
        with self._lock:
            now = time.monotonic()
            lines = [_line(key, self._value(key, now)) for key in sorted(self._samples)]
        return "".join(lines)

    def _value(self, key: Key, now: float) -> float:
        begun, per_second, since = self._samples[key]
        return begun + per_second * (now - since)

    def _key(self, name: str, labels: dict[str, str]) -> Key:
        needed = next((known for form, known in self._known.items() if re.fullmatch(form, name)))
        own = set(needed) - {"cluster"}  # which is told by who scrapes several
        assert own <= labels.keys(), f"{name} has the labels {needed}"
        return name, tuple(sorted(labels.items()))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        told = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = told.page().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                """Nobody wants to read them."""

        return Handler


def _metrics() -> Iterator[tuple[str, list[str]]]:
    text = (ROOT / "rules/foreign.toml").read_text(encoding="utf-8")
    for exporter in tomllib.loads(text)["exporter"]:
        yield from exporter["metrics"].items()


def _line(key: Key, value: float) -> str:
    name, labels = key
    shown = ",".join(f'{label}="{text}"' for label, text in labels)
    return f"{name}{{{shown}}} {value!r}\n"
