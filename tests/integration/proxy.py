"""TCP doors to servers, such as the tests' PostgreSQL, that can be shut and opened again."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from psycopg.conninfo import conninfo_to_dict

from integration.processes import as_url, free_port

if TYPE_CHECKING:
    from types import TracebackType


class Door:
    """Forwards its own `port` to another one, or to a socket, while it is open; shut at first."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._host = host
        self._port = port
        self._listener: socket.socket | None = None
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self.port = free_port()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.shut()

    def open(self) -> None:
        """Let new connections through."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._run(self._accept, self._listener)

    def shut(self) -> None:
        """End every connection and refuse new ones."""
        if self._listener is None:
            return
        for one in [self._listener, *self._sockets]:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for it
        for thread in self._threads:
            thread.join()
        for one in [self._listener, *self._sockets]:
            one.close()
        self._listener = None
        self._threads, self._sockets = [], []

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                try:
                    server = self._connect()
                except OSError:  # nobody is behind the door now
                    client.close()
                    continue
                self._sockets += [client, server]
                self._run(_pump, client, server)
                self._run(_pump, server, client)

    def _connect(self) -> socket.socket:
        if not self._host.startswith("/"):
            return socket.create_connection((self._host, self._port))
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(f"{self._host}/.s.PGSQL.{self._port}")
        except OSError:
            server.close()
            raise
        return server

    def _run(self, *call: object) -> None:
        function, *arguments = call
        assert callable(function)
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()


class Proxy(Door):
    """A door to the PostgreSQL of `conninfo`, by which it is known under `url`."""

    def __init__(self, conninfo: str) -> None:
        parts = conninfo_to_dict(conninfo)
        host = str(parts.get("host") or "/var/run/postgresql")
        super().__init__(int(parts.get("port") or 5432), host)
        self.url = as_url(conninfo, host="127.0.0.1", port=str(self.port))


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
