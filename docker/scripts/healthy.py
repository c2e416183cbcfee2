"""Check a service: `python healthy.py mlflow|dashboard|worker|ray` exits with 0 or 1."""

import base64
import configparser
import os
import socket
import sys
import urllib.request
from pathlib import Path

_SECONDS = 8
_SILENT_SECONDS = 120  # the length of a worker's lease
_CREDENTIALS = Path("/secrets/users/credentials")


def ask(url: str, body: bytes | None = None) -> None:
    """Send a request that needs the server's database."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    if _CREDENTIALS.is_file():
        file = configparser.ConfigParser(interpolation=None)
        file.read(_CREDENTIALS)
        user, password = (file["mlflow"][f"mlflow_tracking_{k}"] for k in ("username", "password"))
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
    urllib.request.urlopen(request, timeout=_SECONDS).close()


def worker() -> None:
    """Check that this container's worker has recently written to the database."""
    import psycopg

    url = os.environ["MULTIHEAD_STUDY_STORAGE"].replace("+psycopg", "")
    query = """
        SELECT count(*) FROM multihead_workers WHERE NOT ended AND place LIKE %s
        AND EXTRACT(EPOCH FROM clock_timestamp()) - seen < %s
    """
    with psycopg.connect(url, connect_timeout=_SECONDS) as connection:
        row = connection.execute(query, (f"{socket.gethostname()} %", _SILENT_SECONDS)).fetchone()
    if row == (0,):
        sys.exit("the worker has not written to the database recently")


def ray() -> None:
    """Check that this container's Ray node runs; the first process only waits for workers."""
    names = {path.read_text().strip() for path in Path("/proc").glob("[0-9]*/comm")}
    if "raylet" not in names:
        sys.exit("the Ray node is not running")


CHECKS = {
    "mlflow": lambda: ask(
        "http://127.0.0.1:5000/api/2.0/mlflow/experiments/search", b'{"max_results": 1}'
    ),
    "dashboard": lambda: ask("http://127.0.0.1:8080/api/studies"),
    "worker": worker,
    "ray": ray,
}

if __name__ == "__main__":
    CHECKS[sys.argv[1]]()
