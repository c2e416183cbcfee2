"""Remove artifacts of a run, because MLflow's client can only add them."""

from typing import Any
from urllib.parse import unquote, urlsplit

from multihead.errors import PathError
from multihead.tracking.store import Store


def remove_artifacts(store: Store, mlflow_id: str, path: str) -> None:
    """Remove a file or folder from a run's artifacts; a missing one is no error.

    Raises:
        PathError: If the store names a folder that cannot be that of the run's artifacts.
        StoreError: If the store refuses.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    with store.errors():
        uri = store.client.get_run(mlflow_id).info.artifact_uri
        if uri is not None and store.client.list_artifacts(mlflow_id, path):
            _check_place(uri, mlflow_id)
            repository: Any = get_artifact_repository(uri, tracking_uri=store.uri)
            repository.delete_artifacts(path)


def _check_place(uri: str, mlflow_id: str) -> None:
    """Check that a URI ends with MLflow's folder of a run, so that no other folder is changed."""
    parts = unquote(urlsplit(uri).path).split("/")
    if parts[-2:] != [mlflow_id, "artifacts"] or ".." in parts:
        raise PathError(
            f"the store names {uri!r:.200} for the artifacts of run {mlflow_id}, but MLflow makes "
            f"no such folder for a run; nothing in it was deleted."
        )
