"""optuna-dashboard for known hosts only: `python -m multihead.studies.dashboard`.

The dashboard has no users, and can delete studies. A page of somebody else's in the same browser
could do so too, by a name of its own that leads here or by a form that is sent here. So requests
for other names are refused, and changes that come from other pages.

Settings are in the environment, since the storage's address may hold a password:
`MULTIHEAD_STUDY_STORAGE`, `HOST`, `PORT`, and `ALLOWED_HOSTS`, names with ports as browsers send
them, separated by commas.
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
    """Return a WSGI application that lets only requests for known hosts through."""

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
    """A connection, which is open for one request; how slow it is shows in its age."""

    socket: Any
    address: str
    waits_since: float | None = field(default_factory=time.monotonic)

    def give_up(self) -> None:
        """Close it; the thread that reads from it finds its end."""
        with suppress(OSError):  # it is closed already
            self.socket.shutdown(socket.SHUT_RDWR)


class Server(ThreadingMixIn, WSGIServer):
    """A thread for each connection, and so many of them; the oldest one gives way to a new one."""

    daemon_threads = True
    request_queue_size = most = 128

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections = Connections(2 * self.most)  # one address may have half of them
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
        """Tell of a fault of ours; clients that went away or were given up are none."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Handler(WSGIRequestHandler):
    """Gives up a client that is silent for so many seconds."""

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
