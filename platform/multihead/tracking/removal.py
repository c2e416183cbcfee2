"""Removing what a run stored: MLflow's client can only add."""

from typing import Any

from multihead.tracking.store import Store


def remove_artifacts(store: Store, mlflow_id: str, path: str) -> None:
    """Remove a file or folder from a run's artifacts; that it is not there is no error.

    Raises:
        StoreError: If the store refuses.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    with store.errors():
        uri = store.client.get_run(mlflow_id).info.artifact_uri
        if uri is not None and store.client.list_artifacts(mlflow_id, path):
            repository: Any = get_artifact_repository(uri, tracking_uri=store.uri)
            repository.delete_artifacts(path)
