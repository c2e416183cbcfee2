"""Run the HTTP application as a server process."""

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
    """Open a listening socket; port 0 takes any free port.

    Raises:
        ConfigError: If the address is not of this machine or the port is in use.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # With IPPROTO_TCP, asyncio sets TCP_NODELAY. Otherwise the body of an answer waits 40 ms
        # until the client acknowledges the headers.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port} ({error.strerror or error}); choose another --host or "
            f"--port."
        ) from error
    return listening


def ignore_advice_on_pictures() -> None:
    """Ignore Pillow's warnings about unusual metadata.

    Clients can cause any number of different warnings. Each one would fill the log, and stay in
    memory.
    """
    ignore_advice()


def serve(model: ServedModel, limits: Limits, listening: socket.socket, hosts: KnownHosts) -> None:
    """Serve requests until SIGTERM or Ctrl-C. Running requests have 10 seconds to finish."""
    ignore_advice_on_pictures()
    # Half of the allowed open files, because the model and the libraries need some.
    most = min(_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
    config = uvicorn.Config(
        make_app(model, limits, hosts),
        http=guarded(Connections(most), limits.timeout),
        ws="none",
        log_level="error",  # clients could fill the disk with warnings
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    # The lists of a JSON answer trigger the garbage collector. Without this, it would visit a
    # million objects of the libraries each time, which takes 0.3 s.
    gc.collect()
    gc.freeze()
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        gc.unfreeze()  # otherwise nanobind reports leaks when the process ends
