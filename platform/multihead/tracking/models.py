"""Models in MLflow: written to a folder, sent to the store, registered under a name.

Writing needs no store, so a run has its model even if the server is down. Sending can be repeated:
it finds a model that was sent before by the digest of its weights.
"""

import json
import logging
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multihead.errors import CheckpointError, ConfigError
from multihead.tracking.find import find_run
from multihead.tracking.store import Store
from multihead.tracking.tags import RUN_TAG
from multihead.yaml_file import read_yaml

_MODEL_TAG = "multihead.model_id"  # a database store does not keep a version's own `model_id`
DIGEST_TAG = "multihead.model_digest"
BUNDLE = "artifacts/bundle"
BEST_POINTS = ("test/", "best/")  # of the weights of best.ckpt
_REQUIRED = ("multihead", "mlflow", "numpy", "safetensors", "torch")
_REGISTERED_TAG = "mlflow.modelVersions"


def write_model(
    folder: Path,
    *,
    code: Path,
    bundle: Path,
    columns: Mapping[str, str],
    example: NDArray[np.uint8],
) -> None:
    """Write an MLflow model that predicts all heads, replacing the folder's content.

    Args:
        folder: The model's folder.
        code: The Python file that loads it. It is copied; nothing is pickled.
        bundle: The folder of its weights and description; it is copied to `BUNDLE`.
        columns: The types of the predicted columns, by name.
        example: Images that it accepts, uint8 [B, H, W, C].
    """
    with _quiet():
        import mlflow.pyfunc
        from mlflow.models import ModelSignature
        from mlflow.types.schema import ColSpec, Schema, TensorSpec

        images = TensorSpec(np.dtype(np.uint8), (-1, *example.shape[1:]))
        answers = [ColSpec(kind, name) for name, kind in columns.items()]
        shutil.rmtree(folder, ignore_errors=True)
        mlflow.pyfunc.save_model(
            folder,
            python_model=str(code),
            artifacts={"model": str(bundle)},
            signature=ModelSignature(Schema([images]), Schema([*answers])),
            input_example=example,
            pip_requirements=[f"{name}=={version(name)}" for name in _REQUIRED],
        )


def send_model(
    store: Store,
    mlflow_id: str,
    folder: Path,
    digest: str,
    points: tuple[str, ...] = BEST_POINTS,
) -> str:
    """Make the LoggedModel of a run, with its files, metrics and datasets.

    Args:
        store: Where the run is.
        mlflow_id: MLflow's id of the run.
        folder: The folder that `write_model` wrote.
        digest: The digest of the weights and their description.
        points: Prefixes of the metrics that were measured with these weights.

    Returns:
        MLflow's id of the model; that of an existing model with the same weights if there is one.

    Raises:
        StoreError: If the store refuses.
    """
    with store.errors(), _quiet():
        from mlflow.entities import LoggedModelOutput, LoggedModelStatus
        from mlflow.models import Model

        client = store.client
        run = client.get_run(mlflow_id)
        made = _begun(client, run, digest) or client.create_logged_model(
            run.info.experiment_id,
            name=_model_name(run.info.run_name),
            source_run_id=mlflow_id,
            tags={DIGEST_TAG: digest, RUN_TAG: run.data.tags.get(RUN_TAG, "")},
            params={k: v for k, v in run.data.params.items() if k.startswith("model.")},
            model_type="multihead",
        )
        if made.status == LoggedModelStatus.READY:
            return str(made.model_id)
        written = Model.load(str(folder))
        written.model_id, written.run_id = made.model_id, mlflow_id
        written.artifact_path = made.artifact_location
        written.save(str(folder / "MLmodel"))
        client.log_model_artifacts(made.model_id, str(folder))
        tied = list(_points(client, run, made.model_id, points))
        if tied:
            client.log_batch(mlflow_id, metrics=tied)
        if made.model_id not in [output.model_id for output in _outputs(run)]:
            step = max((point.step for point in tied), default=0)
            client.log_outputs(mlflow_id, [LoggedModelOutput(made.model_id, step)])
        client.finalize_logged_model(made.model_id, "READY")
    return str(made.model_id)


def _begun(client: Any, run: Any, digest: str) -> Any:
    """Return the run's model with these weights, complete or not, or None.

    The search covers all models of the experiment, because the process that made the model may
    have been killed before it linked the model to the run.
    """
    found = client.search_logged_models(
        [run.info.experiment_id],
        f"source_run_id = '{run.info.run_id}' AND tags.`{DIGEST_TAG}` = '{digest}'",
        order_by=[{"field_name": "creation_timestamp", "ascending": True}],
    )
    return next(iter(found), None)


def _outputs(run: Any) -> list[Any]:
    return list((run.outputs.model_outputs if run.outputs else None) or [])


def _points(client: Any, run: Any, model_id: str, starts: tuple[str, ...]) -> Iterator[Any]:
    """Yield the run's points whose names have one of the prefixes, linked to model and dataset.

    They keep the run's own times, to the millisecond, so that no point is recorded twice.
    """
    from mlflow.entities import Metric

    used = {
        tag.value: dataset.dataset
        for dataset in run.inputs.dataset_inputs
        for tag in dataset.tags
        if tag.key == "mlflow.data.context"
    }
    for key in run.data.metrics:
        data = used.get("test" if key.startswith("test") else "train")
        if not key.startswith(starts):
            continue
        point = max(client.get_metric_history(run.info.run_id, key), key=lambda m: m.timestamp)
        yield Metric(
            key,
            point.value,
            point.timestamp,
            point.step,
            model_id=model_id,
            run_id=run.info.run_id,
            dataset_name=data.name if data else None,
            dataset_digest=data.digest if data else None,
        )


def register_model(
    store: Store,
    model_id: str,
    name: str,
    *,
    alias: str | None,
    tags: Mapping[str, str],
    description: str = "",
) -> int:
    """Make a LoggedModel a version of a registered model.

    Args:
        store: Where the model is.
        model_id: MLflow's id of the LoggedModel.
        name: The name of the registered model, which is made if it does not exist.
        alias: An alias to set to the version, or None.
        tags: Tags of the version.
        description: Description of the version, in Markdown.

    Returns:
        The version; the existing one if the model was registered before.

    Raises:
        StoreError: If the store refuses.
    """
    with store.errors():
        client = store.client
        model = client.get_logged_model(model_id)
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name)
        versions = client.search_model_versions(f"name = '{name}'")
        known = [v for v in versions if v.tags.get(_MODEL_TAG) == model_id]
        made = known[0] if known else _new_version(client, model, name, tags, description)
        if alias is not None:
            client.set_registered_model_alias(name, alias, made.version)
    return int(made.version)


def _new_version(
    client: Any, model: Any, name: str, tags: Mapping[str, str], description: str
) -> Any:
    made = client.create_model_version(
        name,
        source=model.artifact_location,
        run_id=model.source_run_id,
        tags={**tags, _MODEL_TAG: model.model_id},
        model_id=model.model_id,
        description=description,
    )
    # MLflow's own registration sets this tag too: with it the UI shows the version on the page.
    known = [*versions_noted(model), {"name": name, "version": made.version}]
    client.set_logged_model_tags(model.model_id, {_REGISTERED_TAG: json.dumps(known)})
    return made


def versions_noted(model: Any) -> list[Any]:
    """Return the versions that a model's tag lists; an empty list if the tag is damaged."""
    try:
        known = json.loads(model.tags.get(_REGISTERED_TAG, "[]"))
    except (ValueError, RecursionError):
        return []
    return known if isinstance(known, list) else []


@dataclass(frozen=True)
class FetchedModel:
    """A model of the store, downloaded to this machine.

    Attributes:
        folder: The folder with its files.
        model_id: MLflow's id of the model.
        run_id: Our id of its run; MLflow's id if there is none of ours; "" if there is no run.
    """

    folder: Path
    model_id: str
    run_id: str


def fetch_model(store: Store, uri: str) -> FetchedModel:
    """Find a model and download its files.

    Args:
        store: The store of the model.
        uri: `models:/NAME@ALIAS`, `models:/NAME/VERSION` or `models:/MODEL_ID`.

    Raises:
        ConfigError: If there is no such model.
        CheckpointError: If its files are damaged.
        StoreError: If the store or its artifacts do not answer.
    """
    from mlflow.exceptions import MlflowException

    client = store.client
    try:
        location = _location(client, uri)
    except MlflowException as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"there is no model {uri} in {store.shown_uri}: {reason}") from error
    with store.errors(), _quiet():
        from mlflow.artifacts import download_artifacts

        folder = Path(download_artifacts(artifact_uri=location, tracking_uri=store.uri))
        try:
            model_id = str(read_yaml(folder / "MLmodel")["model_id"])
        except (ConfigError, KeyError, TypeError) as error:
            raise CheckpointError(f"{folder / 'MLmodel'} of {uri} is damaged.") from error
        model = client.get_logged_model(model_id)
    return FetchedModel(folder, model_id, model.tags.get(RUN_TAG) or model.source_run_id or "")


def _location(client: Any, uri: str) -> str:
    """Return where the files of a model are."""
    name, at, alias = uri.removeprefix("models:/").partition("@")
    name, slash, number = name.partition("/")
    if at:
        number = client.get_model_version_by_alias(name, alias).version
    elif not slash:
        return str(client.get_logged_model(name).artifact_location)
    return str(client.get_model_version_download_uri(name, number))


def run_model(store: Store, wanted: str) -> FetchedModel | None:
    """Fetch the newest model of a run, or return None if it has none.

    Raises:
        ConfigError: If there is no such run.
    """
    with store.errors():
        outputs = _outputs(find_run(store, wanted))
        models = [store.client.get_logged_model(output.model_id) for output in outputs]
    if not models:
        return None
    newest = max(models, key=lambda model: model.creation_timestamp)
    return fetch_model(store, f"models:/{newest.model_id}")


def _model_name(name: str) -> str:
    return "".join("-" if c in "/:.%\"'" else c for c in name) or "model"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep MLflow's advice out of the terminal."""
    logger = logging.getLogger("mlflow")
    level = logger.level
    with warnings.catch_warnings():
        # The text begins with a colour code, so the pattern must allow characters before it.
        warnings.filterwarnings("ignore", "(?s).*Any type hint is inferred as AnyType")
        try:
            logger.setLevel(logging.ERROR)
            yield
        finally:
            logger.setLevel(level)
