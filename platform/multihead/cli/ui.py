"""`multihead ui`: start the MLflow UI for the current store, on loopback."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterable

import click

from multihead.cli.help import examples
from multihead.errors import ConfigError
from multihead.terminal.lines import say
from multihead.tracking.store import DEFAULT_PORT, UI_VIEW, Store

HOST = "127.0.0.1"
_PORTS_TRIED = 100
_AT_EVERY_START = "[MLflow] Security middleware enabled"


@click.command("ui", epilog=examples("multihead ui", "multihead ui --port 5050"))
@click.option(
    "--port",
    default=DEFAULT_PORT,
    show_default=True,
    type=click.IntRange(1, 65535),
    help="Port to listen on. If it is busy, the next free one is taken.",
)
def command(port: int) -> None:
    """Start the MLflow UI for the current store, on 127.0.0.1 only. Ctrl-C stops it.

    If the store is an MLflow server, the command prints its address instead.
    """
    store = Store()
    if store.is_server:
        say(f"the store is a server with its own UI: {store.uri}")
        return
    _ = store.client
    free = free_port(port)
    if free != port:
        say(f"port {port} is busy; using the next free one, {free}", err=True)
    page = f"http://{HOST}:{free}/#/experiments?{UI_VIEW}"
    say(f"MLflow UI on {store.shown_uri}", f"  {page}", "Ctrl-C stops it")
    # The store's address can contain a password, so it is passed in the environment.
    environment = os.environ | {
        "MLFLOW_BACKEND_STORE_URI": store.uri,
        "MLFLOW_REGISTRY_STORE_URI": store.uri,  # as by default, but without MLflow's notice
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": (store.home / "artifacts").as_uri(),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ENABLE_AI_GATEWAY": "false",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "PYTHONWARNINGS": "ignore",  # hides warnings of MLflow's own imports
    }
    environment.pop("MLFLOW_TRACKING_URI", None)
    server = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(free)]
    server += ["--workers", "1", "--uvicorn-opts", "--log-level error --no-access-log"]
    with subprocess.Popen(
        server, env=environment, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        try:
            _show_problems(process.stderr or ())
            code = process.wait()
        except KeyboardInterrupt:
            code = 0
        finally:
            process.terminate()
    if code:
        raise ConfigError(f"the MLflow UI ended with code {code}; its message is printed above.")


def _show_problems(lines: Iterable[str]) -> None:
    """Print the stderr of the server, without the line that it prints at every start."""
    for line in lines:
        if not line.startswith(_AT_EVERY_START):
            say(line.rstrip("\n"), err=True)


def free_port(first: int) -> int:
    """Return the first free port on loopback, starting at `first`.

    Raises:
        ConfigError: If a hundred ports in a row are busy.
    """
    for port in range(first, min(first + _PORTS_TRIED, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise ConfigError(f"ports {first} to {first + _PORTS_TRIED - 1} are busy; choose --port.")
