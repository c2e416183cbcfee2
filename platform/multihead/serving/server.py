"""A server process around the application."""

import gc
import resource
import socket

import uvicorn

from multihead.connections import Connections
from multihead.datasets.picture_opening import ignore_advice
from multihead.errors import ConfigError
from multihead.hosts import KnownHosts
from multihead.serving.app import Limits, make_app
from multihead.serving.model import ServedModel
from multihead.serving.protocol import guarded

_BACKLOG = 512
_CONNECTIONS = 512
_GRACE_SECONDS = 10


def bind(host: str, port: int) -> socket.socket:
    """Take a port, 0 for any free one.

    Raises:
        ConfigError: If the address is not ours or the port is busy.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # Named TCP, so that asyncio sends each part of an answer at once (TCP_NODELAY) and does not
        # wait 40 ms for word that its headers have arrived.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"{host}:{port} cannot be served on ({error.strerror or error}); choose --host, --port."
        ) from error
    return listening


def ignore_advice_on_pictures() -> None:
    """Drop Pillow's warnings of odd metadata, which clients cause.

    Each text that is new would be written to the log, and kept in memory for ever.
    """
    ignore_advice()


def serve(model: ServedModel, limits: Limits, listening: socket.socket, hosts: KnownHosts) -> None:
    """Answer requests until SIGTERM or Ctrl-C; those begun are ended first."""
    ignore_advice_on_pictures()
    # Half of the files that this process may open: the model and the libraries need some.
    most = min(_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
    config = uvicorn.Config(
        make_app(model, limits, hosts),
        http=guarded(Connections(most), limits.timeout),
        ws="none",
        log_level="error",  # clients cause the warnings, and could fill a disk with them
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    # The lists of a JSON answer set the garbage collector off, which would walk a million objects
    # of the libraries each time: 0.3 s.
    gc.collect()
    gc.freeze()
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        gc.unfreeze()  # nanobind prints what it believes to have leaked when the process ends
