"""The names of a run's checkpoints; the files are not read."""

from typing import Any

from multihead.tracking.find import folder_of
from multihead.tracking.store import Store

SUFFIX = ".ckpt"
_SPARE = f"previous{SUFFIX}"  # for a resume, where last.ckpt is damaged


def checkpoint_names(store: Store, record: Any) -> list[str]:
    """Return the checkpoints of a run as `--checkpoint` takes them, such as `best-digit`.

    They are those in the run's folder, or in the store if the folder has none.

    Raises:
        StoreError: If the store is needed and does not answer.
    """
    files = [path.name for path in (folder_of(store, record) / "checkpoints").glob("[!.]*.ckpt")]
    if not files:
        with store.errors():
            listed = store.client.list_artifacts(record.info.run_id, "checkpoints")
        files = [item.path.rpartition("/")[2] for item in listed]
    return sorted(f.removesuffix(SUFFIX) for f in files if f.endswith(SUFFIX) and f != _SPARE)
