"""Serve optuna-dashboard for known host names only: `python -m multihead.studies.dashboard`.

The dashboard has no login and can delete studies. A foreign page in the same browser could do so
too: by DNS rebinding, or by a form that it sends here. So this server refuses requests for unknown
host names, and changes that other pages send.

Settings are environment variables, since the storage's address may hold a password:
`MULTIHEAD_STUDY_STORAGE`, `HOST`, `PORT` and `ALLOWED_HOSTS`. The last one lists host names with
ports, as browsers send them, separated by commas.
"""

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from multihead.connections import Connections, address_of
from multihead.hosts import KnownHosts
from multihead.settings import study_storage
from multihead.studies.storage import StudyStorage

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def known_hosts_only(application: Application, hosts: KnownHosts) -> Application:
    """Wrap a WSGI application; requests for unknown hosts get status 403."""

    def guarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        method, host = environ["REQUEST_METHOD"], environ.get("HTTP_HOST")
        reason = hosts.refusal(method, host, environ.get("HTTP_ORIGIN"))
        if reason is None:
            return application(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{reason}\n".encode()]

    return guarded


@dataclass(eq=False)
class _Client:
    """A connection. It serves one request, so an old connection is a slow client."""

    socket: Any
    address: str
    waits_since: float | None = field(default_factory=time.monotonic)

    def give_up(self) -> None:
        """Close the connection. The thread that reads from it then ends."""
        with suppress(OSError):  # it is already closed
            self.socket.shutdown(socket.SHUT_RDWR)


class Server(ThreadingMixIn, WSGIServer):
    """Serves each connection in a thread. Above the limit, a new connection closes the oldest."""

    daemon_threads = True
    request_queue_size = most = 128

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections = Connections(2 * self.most)  # one address may have at most half of them
        self._clients: dict[Any, _Client] = {}
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a connection."""
        client = _Client(request, address_of(str(client_address[0])))
        with self._lock:
            self._clients[request] = client
            self._connections.enter(client)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection."""
        with self._lock:
            client = self._clients.pop(request, None)
            if client is not None:
                self._connections.leave(client)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log errors of the server; skip those of clients that left or whose connection closed."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Handler(WSGIRequestHandler):
    """Closes a connection whose client sends nothing for `timeout` seconds."""

    timeout = 10


def main() -> None:
    """Serve until stopped."""
    from optuna_dashboard import wsgi

    host, port = os.environ["HOST"], int(os.environ["PORT"])
    hosts = KnownHosts(os.environ["ALLOWED_HOSTS"].split(","))
    storage = StudyStorage(study_storage())
    application = known_hosts_only(wsgi(storage.optuna), hosts)
    with make_server(host, port, application, Server, Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
