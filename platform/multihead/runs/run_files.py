"""Find files of recorded runs: in the run's folder, or else in the store."""

from pathlib import Path
from typing import Any

from multihead.errors import CheckpointError, ConfigError
from multihead.tracking.checkpoint_names import SUFFIX, checkpoint_names
from multihead.tracking.find import find_run, folder_of, local_run
from multihead.tracking.store import Store
from multihead.tracking.tags import RUN_TAG
from multihead.training.checkpoints import BEST, LAST


def run_file(store: Store, record: Any, local: Path, artifact: str) -> Path | None:
    """Return the file in the run's folder, else a copy from the store, else None.

    Args:
        store: The store of the run.
        record: The run in the store.
        local: The path in the run's folder.
        artifact: The path among the run's artifacts.
    """
    if local.is_file():
        return local
    with store.errors():
        client, run_id = store.client, record.info.run_id
        folder = artifact.rpartition("/")[0] or None
        if artifact not in [f.path for f in client.list_artifacts(run_id, folder)]:
            return None
        return Path(client.download_artifacts(run_id, artifact))


def chosen_checkpoint(store: Store, record: Any, run: str, chosen: str | None) -> Path:
    """Return the chosen checkpoint of a run; by default the best one, or else the last.

    Args:
        store: The store of the run.
        record: The run in the store.
        run: The name of the run for messages.
        chosen: The name of a checkpoint, such as `best-digit`, with or without `.ckpt`.

    Raises:
        CheckpointError: If the run has no checkpoint, or none of this name.
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
    """Return the id of a run and its best checkpoint (its last if there is no best).

    Args:
        store: The store, used only for a run without a folder in its home.
        wanted: The run's id, its MLflow id, or a unique prefix of either.

    Raises:
        ConfigError: If the run does not exist.
        CheckpointError: If the run has no checkpoint.
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
