"""A server process around the application."""

import gc
import socket

import uvicorn

from multihead.errors import ConfigError
from multihead.serving.app import Limits, make_app
from multihead.serving.model import ServedModel

_BACKLOG = 512
_GRACE_SECONDS = 10


def bind(host: str, port: int) -> socket.socket:
    """Take a port, 0 for any free one.

    Raises:
        ConfigError: If the address is not ours or the port is busy.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"{host}:{port} cannot be served on ({error.strerror or error}); choose --host, --port."
        ) from error
    return listening


def serve(model: ServedModel, limits: Limits, listening: socket.socket) -> None:
    """Answer requests until SIGTERM or Ctrl-C; those begun are ended first."""
    config = uvicorn.Config(
        make_app(model, limits),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    # The lists of a JSON body set the garbage collector off, which would walk a million objects of
    # the libraries each time: 0.3 s, where reading the body takes 5 ms.
    gc.collect()
    gc.freeze()
    uvicorn.Server(config).run(sockets=[listening])
