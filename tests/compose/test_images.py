"""Renewing digests with the real engine, from a registry on loopback."""

import hashlib
import http.server
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.compose.base_images import ROOT
from tests.compose.stack import docker

pytestmark = pytest.mark.compose
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Registry:
    """What a registry answers about one image of two platforms, which holds no layer."""

    def __init__(self) -> None:
        self.contents: dict[str, tuple[str, bytes]] = {}
        manifests = [
            self._add(
                _MANIFEST,
                {
                    "schemaVersion": 2,
                    "mediaType": _MANIFEST,
                    "config": self._add(
                        "application/vnd.oci.image.config.v1+json",
                        {
                            "os": "linux",
                            "architecture": architecture,
                            "rootfs": {"type": "layers", "diff_ids": []},
                        },
                    ),
                    "layers": [],
                },
            )
            | {"platform": {"os": "linux", "architecture": architecture}}
            for architecture in ("amd64", "arm64")
        ]
        index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": manifests}
        self.index = str(self._add(_INDEX, index)["digest"])
        self.contents["1"] = self.contents[self.index]

    def _add(self, kind: str, content: object) -> dict[str, object]:
        raw = json.dumps(content).encode()
        self.contents[_digest(raw)] = kind, raw
        return {"mediaType": kind, "digest": _digest(raw), "size": len(raw)}


@pytest.fixture
def registry() -> Iterator[tuple[str, Registry]]:
    """Serve an image `base:1`; return the registry's address and what it holds."""
    held = Registry()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, raw = held.contents.get(self.path.rsplit("/", 1)[1], ("application/json", b"{}"))
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(raw)))
            self.send_header("Docker-Content-Digest", _digest(raw))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(raw)

        do_HEAD = do_GET

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}", held
        server.shutdown()


def test_the_digest_is_that_of_all_platforms(
    registry: tuple[str, Registry], tmp_path: Path
) -> None:
    """One of this machine's platform alone would not be found on another."""
    address, held = registry
    image = f"{address}/base:1"
    file = tmp_path / "compose.yml"
    file.write_text(f"image: ${{BASE_IMAGE:-{image}}}\n")
    try:
        command = [ROOT / "tools" / "pin-images.sh", file]
        subprocess.run(command, check=True, stdout=subprocess.PIPE)
        assert file.read_text() == f"image: ${{BASE_IMAGE:-{image}@{held.index}}}\n"
        docker("pull", f"{image}@{held.index}")
    finally:
        docker("image", "rm", "-f", image, f"{image}@{held.index}", check=False)
