"""Start a Ray cluster on this machine for a study, or join an existing one."""

import atexit
import logging
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from multihead.errors import ConfigError, StoreError, message_of
from multihead.pools import cores
from multihead.signals import restored
from multihead.studies.definition import Definition
from multihead.studies.engines.choice import RayChoice

NAMESPACE = "multihead"
_ANSWER_SECONDS = 10
# Workers share no objects through Ray, but it refuses less than 75 MiB.
_STORE_BYTES = 80 * 2**20
_TOKENS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


def connect(definition: Definition) -> None:
    """Join the study's cluster, or start one that ends with this process. Repeats do nothing.

    Raises:
        ConfigError: If Ray is not installed, or the cluster cannot serve this study.
        StoreError: If it does not answer.
    """
    choice = definition.engine
    assert isinstance(choice, RayChoice)
    if find_spec("ray") is None:
        raise ConfigError("engine=ray needs Ray; pip install 'multihead[ray]'.")
    if _connected():
        return
    with restored():  # Ray installs its own signal handlers
        if choice.address is None:
            _start(definition)
        else:
            _join(choice.address)


def disconnect() -> None:
    """Leave the cluster. If this process started it, it ends."""
    if _connected():
        sys.modules["ray"].shutdown()


def _connected() -> bool:
    # Checked without an import of Ray, which takes a second.
    return "ray" in sys.modules and bool(sys.modules["ray"].is_initialized())


def _start(definition: Definition) -> None:
    """Start a cluster that listens on loopback only and requires a token."""
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    os.environ.pop(_TOKENS[0], None)
    os.environ |= {
        "RAY_AUTH_MODE": "token",
        _TOKENS[1]: str(token),
        # Otherwise Ray replaces 127.0.0.1 by a network address and listens on all interfaces.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    }
    own = cores()
    each = definition.devices_per_worker.cpu
    _init(
        "a Ray cluster on this machine does not start",
        address="local",
        num_cpus=own if each is not None else max(own, definition.workers),
        object_store_memory=_STORE_BYTES,
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        _temp_dir=str(folder),
    )


def _join(address: str) -> None:
    if address != "auto":
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), _ANSWER_SECONDS).close()
        except OSError as error:
            raise StoreError(f"no Ray cluster answers at {address}: {error}.") from error
    # Ray uses a token only with RAY_AUTH_MODE, or if it finds the cluster itself.
    default = Path.home() / ".ray" / "auth_token"
    if any(name in os.environ for name in _TOKENS) or default.is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    _init(
        f"the Ray cluster {address} cannot be joined; this machine must be one of its nodes, and "
        f"have its token",
        address=address,
    )


def _init(problem: str, **options: Any) -> None:
    os.environ |= {
        "RAY_USAGE_STATS_ENABLED": "0",
        # Silences Ray's message for each killed actor; the study reports it instead.
        "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",
    }
    os.environ.setdefault("RAY_gcs_server_request_timeout_seconds", str(2 * _ANSWER_SECONDS))
    import ray

    try:
        with _silent_stderr():
            ray.init(
                namespace=NAMESPACE, log_to_driver=False, logging_level=logging.ERROR, **options
            )
    except Exception as error:  # Ray raises a plain Exception if a node starts too slowly
        raise StoreError(f"{problem}: {message_of(error)}") from error


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Silence stderr for Ray's core, which has no setting for this. Errors are still raised."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
