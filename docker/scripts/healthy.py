"""Whether a service does its work: `python healthy.py mlflow|dashboard|worker|ray`, exit 0 or 1."""

import base64
import configparser
import os
import socket
import sys
import urllib.request
from pathlib import Path

_SECONDS = 8
_SILENT_SECONDS = 120  # as long as a worker's lease
_CREDENTIALS = Path("/secrets/users/credentials")


def ask(url: str, body: bytes | None = None) -> None:
    """Have a server answer something that it must ask its database for."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    if _CREDENTIALS.is_file():
        file = configparser.ConfigParser(interpolation=None)
        file.read(_CREDENTIALS)
        user, password = (file["mlflow"][f"mlflow_tracking_{k}"] for k in ("username", "password"))
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
    urllib.request.urlopen(request, timeout=_SECONDS).close()


def worker() -> None:
    """See that this container's worker has said a word to the database of late."""
    import psycopg

    url = os.environ["MULTIHEAD_STUDY_STORAGE"].replace("+psycopg", "")
    query = """
        SELECT count(*) FROM multihead_workers WHERE NOT ended AND place LIKE %s
        AND EXTRACT(EPOCH FROM clock_timestamp()) - seen < %s
    """
    with psycopg.connect(url, connect_timeout=_SECONDS) as connection:
        row = connection.execute(query, (f"{socket.gethostname()} %", _SILENT_SECONDS)).fetchone()
    if row == (0,):
        sys.exit("no word from the worker")


def ray() -> None:
    """See that this container's node of Ray is there; its first process waits for workers."""
    names = {path.read_text().strip() for path in Path("/proc").glob("[0-9]*/comm")}
    if "raylet" not in names:
        sys.exit("there is no node of Ray")


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
