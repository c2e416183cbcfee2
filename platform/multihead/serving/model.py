"""Find and load the model of a server."""

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multihead.errors import ConfigError
from multihead.runs.answers import answers
from multihead.runs.bundle import read_bundle, read_examples
from multihead.runs.load import LoadedRun, load_run
from multihead.runs.model import blank_example
from multihead.serving.batching import Answer
from multihead.tracking.models import BUNDLE, fetch_model, run_model
from multihead.tracking.store import Store


@dataclass(frozen=True)
class ServedModel:
    """A network and its description for clients.

    Attributes:
        loaded: The network.
        examples: Some images, uint8 [B, H, W, C].
        uri: The URI or run id that the user gave.
        run_id: The id of the run that trained it.
        model_id: MLflow's id of the model; empty for a run's checkpoint.
        shape: H, W, C.
    """

    loaded: LoadedRun
    examples: NDArray[np.uint8]
    uri: str
    run_id: str
    model_id: str = ""
    shape: tuple[int, int, int] = field(init=False)

    def __post_init__(self) -> None:
        channels, height, width = self.loaded.image_shape
        object.__setattr__(self, "shape", (height, width, channels))

    def answer(self, images: NDArray[np.uint8]) -> Answer:
        """Return the predictions for images uint8 [B, H, W, C]."""
        outputs = self.loaded.outputs(images.transpose(0, 3, 1, 2))
        return Answer(
            columns=answers(self.loaded, outputs),
            probabilities=self.loaded.probabilities_of(outputs),
        )


def find_model(
    uri: str,
    store: Store | None = None,
    *,
    trust: Collection[str] = (),
    checkpoint: str | None = None,
) -> ServedModel:
    """Find and load a model, without running any code that it contains.

    Args:
        uri: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `models:/MODEL_ID`, `runs:/RUN`, or a
            run's id.
        store: The store; the default store if None.
        trust: Names of network classes to trust that are not part of multihead.
        checkpoint: The name of a checkpoint of the run, such as `best-digit`; the best one if None.

    Raises:
        ConfigError: If there is no such model, a checkpoint is named but the URI is not of a run,
            or the network's class is not trusted.
        CheckpointError: If the model is damaged or hostile.
    """
    store = store or Store()
    if uri.startswith("models:/"):
        if checkpoint is not None:
            raise ConfigError(
                f"--checkpoint {checkpoint} needs a run, but {uri} is a model with one checkpoint; "
                f"give the run's id."
            )
        fetched = fetch_model(store, uri)
        bundle = fetched.folder / BUNDLE
        loaded = read_bundle(bundle, trust=trust)
        examples = _examples(bundle, loaded)
        return ServedModel(loaded, examples, uri, fetched.run_id, fetched.model_id)
    run = uri.removeprefix("runs:/").partition("/")[0]
    if "/" in run or ":" in run:
        raise ConfigError(
            f"{uri!r} is not a model; give models:/NAME@ALIAS, models:/NAME/VERSION or a run's id."
        )
    loaded = load_run(run, store, trust=trust, checkpoint=checkpoint)
    made = run_model(store, run)
    examples = blank_example(loaded) if made is None else _examples(made.folder / BUNDLE, loaded)
    return ServedModel(loaded, examples, uri, run)


def _examples(bundle: Path, loaded: LoadedRun) -> NDArray[np.uint8]:
    examples = read_examples(bundle)
    blank = blank_example(loaded)
    fits = examples.dtype == np.uint8 and examples.shape[1:] == blank.shape[1:]
    return examples if fits else blank
