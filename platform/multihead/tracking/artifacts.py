"""Upload of a run's files to the store, each with its SHA-256.

A file is uploaded from a link or copy of its own. So a replacement during the upload does not mix
two versions. A newer version replaces the older one in the store.
"""

import json
import logging
import shutil
from pathlib import PurePosixPath

from multihead.errors import PathError, StoreError, StoreUnreachableError
from multihead.files import inside, link, sha256, write_text_atomically
from multihead.tracking.folder import RunFolder
from multihead.tracking.store import Store

MANIFEST = "manifest.json"
_OUTBOX = ".outbox"
_LOG = logging.getLogger("multihead.tracking")


class Artifacts:
    """The files of one run.

    Args:
        folder: The run; an artifact's path is its path in the folder.
        store: Where the files go.
        wanted: SHA-256 by path of the files recorded; updated if a file has changed since.
        sent: SHA-256 by path of the files in the store.

    Attributes:
        uploading: Size in bytes of the file or model that is being uploaded; 0 if there is none.
    """

    def __init__(
        self, folder: RunFolder, store: Store, wanted: dict[str, str], sent: dict[str, str]
    ) -> None:
        self.folder, self.store, self.wanted, self.sent = folder, store, wanted, sent
        self.uploading = 0
        self._refused: dict[str, str] = {}

    def want(self, path: str, digest: str) -> None:
        """Add a file to be uploaded; log a warning instead if it is outside the run's folder."""
        try:
            inside(self.folder.path, path, "an artifact")
        except PathError as error:
            self.notice(f"{error} It is not sent.")
        else:
            self.wanted[path] = digest

    def missing(self) -> list[str]:
        """Return the paths that the store lacks or has in another version."""
        return [path for path, digest in self.wanted.items() if self.sent.get(path) != digest]

    def upload_one(self, mlflow_id: str) -> bool:
        """Upload one file, the manifest last; return whether there was a file to upload.

        If the store refuses a file, a warning names it once, and the file waits for `sync`.

        Raises:
            StoreUnreachableError: If a later try may succeed.
        """
        todo = [path for path in self.missing() if self._refused.get(path) != self.wanted[path]]
        if not todo:
            return self._upload_manifest(mlflow_id)
        path = todo[0]
        try:
            self._upload(mlflow_id, path)
        except FileNotFoundError:
            self.notice(f"{self.folder.path / path} is missing, so it is not uploaded")
            del self.wanted[path]
        except StoreUnreachableError:
            raise
        except (StoreError, PathError, OSError) as error:
            self._refused[path] = self.wanted[path]
            self.notice(f"{path} was not uploaded: {error} It stays in {self.folder.path}.")
        return True

    def verify(self, mlflow_id: str) -> None:
        """Mark files as unsent if the store lacks them or has them with another size."""
        there: dict[str, int | None] = {}
        with self.store.errors():
            for parent in {_parent(path) for path in self.sent}:
                listed = self.store.client.list_artifacts(mlflow_id, parent)
                there |= {item.path: item.file_size for item in listed}
        for path in list(self.sent):
            local = inside(self.folder.path, path, "an artifact")
            if path not in there or (local.exists() and there[path] != local.stat().st_size):
                del self.sent[path]

    def notice(self, text: str) -> None:
        """Log a one-line warning for the user."""
        _LOG.warning("run %s: %s", self.folder.run_id, text)

    def _upload(self, mlflow_id: str, path: str) -> None:
        outbox = self.folder.path / _OUTBOX
        shutil.rmtree(outbox, ignore_errors=True)
        copy = inside(self.folder.path, f"{_OUTBOX}/{path}", "an artifact")
        self.folder.path.stat()  # raises if the folder was deleted: mkdir must not make it again
        copy.parent.mkdir(parents=True)
        try:
            link(inside(self.folder.path, path, "an artifact"), copy)
            digest = sha256(copy)
            self.uploading = copy.stat().st_size
            with self.store.errors():
                self.store.client.log_artifact(mlflow_id, str(copy), _parent(path))
        finally:
            self.uploading = 0
            shutil.rmtree(outbox, ignore_errors=True)
        self.wanted[path] = self.sent[path] = digest

    def _upload_manifest(self, mlflow_id: str) -> bool:
        files = {path: self.sent[path] for path in sorted(self.sent) if path != MANIFEST}
        if not files:
            return False
        text = json.dumps({"sha256": files}, indent=2)
        current = self.folder.manifest
        if MANIFEST in self.sent and current.is_file() and current.read_text() == text:
            return False
        write_text_atomically(current, text, durable=False, make_folder=False)
        self._upload(mlflow_id, MANIFEST)
        return True


def _parent(path: str) -> str | None:
    parent = str(PurePosixPath(path).parent)
    return None if parent == "." else parent
