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
from wsgiref.simple_server import WSGIServer, make_server

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


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


def main() -> None:
    """Serve until stopped."""
    from optuna_dashboard import wsgi

    host, port = os.environ["HOST"], int(os.environ["PORT"])
    hosts = KnownHosts(os.environ["ALLOWED_HOSTS"].split(","))
    storage = StudyStorage(study_storage())
    application = known_hosts_only(wsgi(storage.optuna), hosts)
    with make_server(host, port, application, _Server) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
