"""Find the run that a person names by our id, by MLflow's id, or by a unique prefix of either."""

from pathlib import Path
from typing import Any

from multihead.errors import ConfigError, DeletedError
from multihead.tracking.cursor import Cursor
from multihead.tracking.folder import RunFolder, run_path
from multihead.tracking.store import Store
from multihead.tracking.tags import RUN_TAG


def local_run(home: Path, wanted: str) -> str:
    """Return our id of a run in a folder, without a request to a store.

    Args:
        home: The folder of the runs.
        wanted: Our id, MLflow's id, or a unique prefix of either.

    Raises:
        ConfigError: If no run there fits, or several do.
    """
    names = {path.parent.name: path.parent for path in home.glob("*/spool.jsonl")}
    if wanted in names:
        return wanted
    found = [name for name in names if wanted and name.startswith(wanted)]
    if not found and wanted:
        known = {name: _mlflow_id(path) for name, path in names.items()}
        found = [name for name, mlflow_id in known.items() if mlflow_id.startswith(wanted)]
    if not found:
        raise ConfigError(f"there is no run {wanted!r} in {home}; `multihead runs` lists them.")
    if len(found) > 1:
        raise ConfigError(f"{wanted!r} fits {len(found)} runs; give more of the id.")
    return found[0]


def _mlflow_id(folder: Path) -> str:
    return Cursor.load(RunFolder(folder).delivery, "").mlflow_id or ""


def folder_of(store: Store, record: Any) -> Path:
    """Return the folder of an MLflow run in the home, by its tag; it need not exist.

    Raises:
        PathError: If the tag, which any user of the store can write, is not a run id.
    """
    run_id = record.data.tags.get(RUN_TAG, record.info.run_id)
    return run_path(store.home, run_id, f"the tag {RUN_TAG} of run {record.info.run_id}")


def find_run(store: Store, wanted: str) -> Any:
    """Return the MLflow run for our id, MLflow's id, or a unique prefix of either.

    Raises:
        ConfigError: If there is none, or more than one.
        DeletedError: If it was deleted.
    """
    text = wanted.strip()
    if not text or not all(c.isalnum() or c in "-_" for c in text):
        raise ConfigError(f"{wanted!r} is not a run id; `multihead runs` lists them.")
    with store.errors():
        experiments = [e.experiment_id for e in store.client.search_experiments()]
        by_tag = f"tags.`{RUN_TAG}` LIKE '{text}%'"
        runs = list(store.client.search_runs(experiments, by_tag, max_results=3))
        by_id = f"attributes.run_id LIKE '{text}%'"
        runs += store.client.search_runs(experiments, by_id, max_results=3)
    # In SQL's LIKE an underscore stands for any character.
    ids = [(r.info.run_id, r.data.tags.get(RUN_TAG, "")) for r in runs]
    runs = [r for r, both in zip(runs, ids, strict=True) if any(i.startswith(text) for i in both)]
    exact = [r for r in runs if text in (r.info.run_id, r.data.tags.get(RUN_TAG))]
    found = {r.info.run_id: r for r in exact or runs}
    if not found:
        if any(text in ids_of(run) for run in deleted_runs(store, text)):
            raise DeletedError(
                f"run {wanted!r} is deleted in {store.shown_uri}; restore it with "
                f"`{store.restoring(text)}`."
            )
        raise ConfigError(
            f"there is no run {wanted!r} in {store.shown_uri}; `multihead runs` lists them."
        )
    if len(found) > 1:
        raise ConfigError(f"{wanted!r} fits {len(found)} runs or more; give more of the id.")
    return next(iter(found.values()))


def ids_of(run: Any) -> tuple[str, str]:
    """Return MLflow's id of a run and our id; ours is empty for a run of another program."""
    return str(run.info.run_id), str(run.data.tags.get(RUN_TAG, ""))


def deleted_runs(store: Store, run_id: str) -> list[Any]:
    """Return the deleted runs of the store that have this id, ours or MLflow's.

    Args:
        store: Where to look.
        run_id: Letters, digits and hyphens.

    Raises:
        StoreError: If the store refuses or does not answer.
    """
    from mlflow.entities import ViewType

    found: list[Any] = []
    with store.errors():
        everywhere = store.client.search_experiments(view_type=ViewType.ALL)
        experiments = [e.experiment_id for e in everywhere]
        for condition in (f"tags.`{RUN_TAG}` = '{run_id}'", f"attributes.run_id = '{run_id}'"):
            found += store.client.search_runs(
                experiments, condition, run_view_type=ViewType.DELETED_ONLY, max_results=2
            )
    return found
