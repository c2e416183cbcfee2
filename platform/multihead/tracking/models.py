"""Models in MLflow: written to a folder, sent to the store, registered under a name.

Writing needs no store, so that a run whose server is down still has its model; sending is safe to
repeat, and finds the model it sent before by the digest of its weights.
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

_MODEL_TAG = "multihead.model_id"  # a database store forgets the version's own
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
    """Write an MLflow model that answers for all heads, replacing what is in the folder.

    Args:
        folder: The model's folder.
        code: The Python file that loads it; it is copied, and nothing is pickled.
        bundle: The folder of its weights and description; it is copied to `BUNDLE`.
        columns: Type by name of the columns it answers with.
        example: Images it takes, uint8 [B, H, W, C].
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
        folder: What `write_model` wrote.
        digest: Of the weights and their description.
        points: How the names of the run's figures begin that are of these weights.

    Returns:
        MLflow's id of the model: the one that is there already if it has the same weights.

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
    """Return the model with these weights that was made for a run, whole or not, or None.

    It is looked for among all models: whoever made it may have been killed before it was tied to
    the run.
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
    """Yield the run's points whose names begin so, tied to model and dataset.

    They are the points that the run has, to the millisecond, so that it gets none twice.
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
        name: Of the registered model; it is made if it is not there.
        alias: Set to the new version, or None.
        tags: Of the version.
        description: Of the version, in Markdown.

    Returns:
        The version; the one that is there already if the model was registered before.

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
    # What MLflow's own registration notes, so that the UI shows the version on the model's page.
    known = [*versions_noted(model), {"name": name, "version": made.version}]
    client.set_logged_model_tags(model.model_id, {_REGISTERED_TAG: json.dumps(known)})
    return made


def versions_noted(model: Any) -> list[Any]:
    """Return the versions that a model's tag tells of; a tag that is damaged tells of none."""
    try:
        known = json.loads(model.tags.get(_REGISTERED_TAG, "[]"))
    except (ValueError, RecursionError):
        return []
    return known if isinstance(known, list) else []


@dataclass(frozen=True)
class FetchedModel:
    """A model of the store on this machine.

    Attributes:
        folder: Its files.
        model_id: MLflow's id.
        run_id: Our id of its run, MLflow's where there is none, or "".
    """

    folder: Path
    model_id: str
    run_id: str


def fetch_model(store: Store, uri: str) -> FetchedModel:
    """Find a model and bring its files here.

    Args:
        store: Where it is.
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
        # In colour, so the text does not begin with what it says.
        warnings.filterwarnings("ignore", "(?s).*Any type hint is inferred as AnyType")
        try:
            logger.setLevel(logging.ERROR)
            yield
        finally:
            logger.setLevel(level)
