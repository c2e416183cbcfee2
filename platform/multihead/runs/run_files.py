"""Files of recorded runs: in the run's folder, or else from the store."""

from pathlib import Path
from typing import Any

from multihead.errors import CheckpointError, ConfigError
from multihead.tracking.checkpoint_names import SUFFIX, checkpoint_names
from multihead.tracking.find import find_run, folder_of, local_run
from multihead.tracking.store import Store
from multihead.tracking.tags import RUN_TAG
from multihead.training.checkpoints import BEST, LAST


def run_file(store: Store, record: Any, local: Path, artifact: str) -> Path | None:
    """Return the file in the run's folder, else a copy from the store, else None."""
    if local.is_file():
        return local
    with store.errors():
        client, run_id = store.client, record.info.run_id
        folder = artifact.rpartition("/")[0] or None
        if artifact not in [f.path for f in client.list_artifacts(run_id, folder)]:
            return None
        return Path(client.download_artifacts(run_id, artifact))


def chosen_checkpoint(store: Store, record: Any, run: str, chosen: str | None) -> Path:
    """Return a checkpoint of a run: the best one, or its last if there is no best, unless chosen.

    Args:
        store: Where the run is.
        record: The run.
        run: What to call it in messages.
        chosen: The name of one of them, such as `best-digit`; `.ckpt` may be left out.

    Raises:
        CheckpointError: If there is none, or none of this name.
    """
    folder = folder_of(store, record) / "checkpoints"
    names = [BEST, LAST]
    if chosen is not None:
        known, name = checkpoint_names(store, record), chosen.removesuffix(SUFFIX)
        if name not in known:
            there = f"it has: {', '.join(known)}" if known else "it has none"
            raise CheckpointError(f"run {run} has no checkpoint {chosen!r:.120}; {there}.")
        names = [f"{name}{SUFFIX}"]
    for name in names:
        path = run_file(store, record, folder / name, f"checkpoints/{name}")
        if path is not None:
            return path
    raise CheckpointError(f"run {run} has no checkpoint; it stopped before its first one.")


def checkpoint_of(store: Store, wanted: str) -> tuple[str, Path]:
    """Return our id of a run and its best checkpoint (its last if there is no best).

    Args:
        store: Asked only for runs that have no folder in its home.
        wanted: Our id, MLflow's id, or a unique prefix of either.

    Raises:
        ConfigError: If there is no such run.
        CheckpointError: If it has no checkpoint.
    """
    try:
        run_id = local_run(store.home, wanted)
    except ConfigError:
        record = find_run(store, wanted)
        run_id = str(record.data.tags.get(RUN_TAG, record.info.run_id))
        folder = folder_of(store, record)
        names = [(folder / "checkpoints" / n, f"checkpoints/{n}") for n in (BEST, LAST)]
        files = [run_file(store, record, local, name) for local, name in names]
    else:
        files = [store.home / run_id / "checkpoints" / name for name in (BEST, LAST)]
    for file in files:
        if file is not None and file.is_file():
            return run_id, file
    raise CheckpointError(f"run {wanted} has no checkpoint; it stopped before its first one.")
