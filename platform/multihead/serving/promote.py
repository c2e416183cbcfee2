"""Register a run's model under a name."""

import re
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from multihead.errors import ConfigError
from multihead.runs.bundle import read_examples
from multihead.runs.load import load_run
from multihead.runs.model import blank_example, make_model
from multihead.tracking.find import find_run
from multihead.tracking.models import BEST_POINTS, BUNDLE, register_model, run_model
from multihead.tracking.store import Store
from multihead.tracking.tags import DESCRIPTION_TAG, RUN_TAG

_NAME = re.compile(r"[\w -]([\w. -]*[\w-])?")
_ALIAS = re.compile(r"(?!latest$|v\d+$)[\w-]+", re.IGNORECASE)

_BEST, _CHECKPOINT_TAG = "best", "multihead.checkpoint"


@dataclass(frozen=True)
class Promoted:
    """A version of a registered model.

    Attributes:
        uri: Its URI, `models:/NAME@ALIAS` or `models:/NAME/VERSION`.
        version: The version number.
        model_id: MLflow's id of the model.
    """

    uri: str
    version: int
    model_id: str


def promote(
    run: str,
    name: str,
    *,
    alias: str | None = None,
    store: Store | None = None,
    trust: Collection[str] = (),
    checkpoint: str | None = None,
) -> Promoted:
    """Register the best checkpoint of a run, or another tested checkpoint.

    Args:
        run: The run's id, MLflow's id, or a unique prefix of either.
        name: The name of the registered model. It is created if it does not exist.
        alias: An alias such as `champion`. It is moved to this version.
        store: The store; the default store if None.
        trust: Names of network classes to trust that are not part of multihead.
        checkpoint: The name of another checkpoint of the run, such as `best-digit`.

    Raises:
        ConfigError: If there is no such run, the checkpoint has no test metrics, its network's
            class is not trusted, or a name is not allowed.
        CheckpointError: If its checkpoint is missing, damaged or hostile.
        StoreError: If the store refuses the model.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"--name {name!r} is not allowed; use letters, digits, _ - . and spaces.")
    if alias is not None and not _ALIAS.fullmatch(alias):
        raise ConfigError(
            f"--alias {alias!r} is not allowed; use letters, digits, _ and -, but not latest or v1."
        )
    store = store or Store()
    found = find_run(store, run)
    chosen = None if checkpoint is None else checkpoint.removesuffix(".ckpt")
    points = _points(chosen)
    of_test = tuple(start for start in points if start.startswith("test"))
    if not any(name.startswith(of_test) for name in found.data.metrics):
        what = f"run {run}" if chosen in (None, _BEST) else f"checkpoint {chosen!r} of run {run}"
        raise ConfigError(
            f"{what} has no test metrics, so its quality is unknown; train with test=true"
            f"{'.' if chosen in (None, _BEST) else ', which tests best and best-<head>.'}"
        )
    run_id = found.data.tags.get(RUN_TAG, found.info.run_id)
    # Loading refuses a damaged checkpoint before it is registered.
    loaded = load_run(run_id, store, trust=trust, checkpoint=checkpoint)
    made = run_model(store, run_id)
    examples = blank_example(loaded) if made is None else read_examples(made.folder / BUNDLE)
    pictures = np.ascontiguousarray(examples)
    model_id = make_model(store, found.info.run_id, loaded, pictures, points)
    tags = {RUN_TAG: run_id}
    if chosen not in (None, _BEST):
        tags[_CHECKPOINT_TAG] = str(chosen)
    told = found.data.tags.get(DESCRIPTION_TAG, "")
    version = register_model(store, model_id, name, alias=alias, tags=tags, description=told)
    place = f"@{alias}" if alias else f"/{version}"
    return Promoted(f"models:/{name}{place}", version, model_id)


def _points(checkpoint: str | None) -> tuple[str, ...]:
    """Return the prefixes of the names of a checkpoint's metrics in the run."""
    if checkpoint in (None, _BEST):
        return BEST_POINTS
    return (f"test_{str(checkpoint).replace('-', '_', 1)}/",)
