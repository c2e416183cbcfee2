"""optuna-dashboard for known hosts only: `python -m multihead.studies.dashboard`.

The dashboard has no users, and can delete studies. A page of somebody else's in the same browser
could do so too, by a name of its own that leads here or by a form that is sent here. So requests
for other names are refused, and changes that come from other pages.

Settings are in the environment, since the storage's address may hold a password:
`MULTIHEAD_STUDY_STORAGE`, `HOST`, `PORT`, and `ALLOWED_HOSTS`, names with ports as browsers send
them, separated by commas.
"""

import os
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIServer, make_server

from multihead.settings import study_storage
from multihead.studies.storage import StudyStorage

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_READING = ("GET", "HEAD", "OPTIONS")


class KnownHosts:
    """A WSGI application that answers to some names only.

    Args:
        application: What answers.
        hosts: Allowed values of the header Host, and places changes may come from.
    """

    def __init__(self, application: Application, hosts: Iterable[str]) -> None:
        self._application, self._hosts = application, frozenset(hosts)

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer with 403, or let the application answer."""
        reason = self._refusal(environ)
        if reason is None:
            return self._application(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{reason}\n".encode()]

    def _refusal(self, environ: dict[str, Any]) -> str | None:
        if environ.get("HTTP_HOST") not in self._hosts:
            return "This name is none of the dashboard's; ALLOWED_HOSTS has them."
        origin = environ.get("HTTP_ORIGIN")
        reads = environ["REQUEST_METHOD"] in _READING
        if not reads and origin is not None and urlsplit(origin).netloc not in self._hosts:
            return "Changes can be made from the dashboard's own pages only."
        return None


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


def main() -> None:
    """Serve until stopped."""
    from optuna_dashboard import wsgi

    host, port = os.environ["HOST"], int(os.environ["PORT"])
    hosts = os.environ["ALLOWED_HOSTS"].split(",")
    storage = StudyStorage(study_storage())
    with make_server(host, port, KnownHosts(wsgi(storage.optuna), hosts), _Server) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
