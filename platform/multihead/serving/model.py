"""The model a server answers with, wherever it is kept."""

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
    """A network and what a client may want to know of it.

    Attributes:
        loaded: The network.
        examples: Some images, uint8 [B, H, W, C].
        uri: How it was asked for.
        run_id: Of the run that trained it.
        model_id: MLflow's id of it; empty for a run's checkpoint.
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
        """Return what the network says of images uint8 [B, H, W, C]."""
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
    """Find and load a model, without running any code that came with it.

    Args:
        uri: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `models:/MODEL_ID`, `runs:/RUN`, or a
            run's id.
        store: The default store if none.
        trust: The network's class by its name, where it is none of ours.
        checkpoint: The name of a checkpoint of the run, such as `best-digit`; the best one if none.

    Raises:
        ConfigError: If there is no such model, it is no run but a checkpoint is named, or its
            network is neither ours nor trusted.
        CheckpointError: If it is damaged or hostile.
    """
    store = store or Store()
    if uri.startswith("models:/"):
        if checkpoint is not None:
            raise ConfigError(
                f"--checkpoint {checkpoint} is of a run, but {uri} is a model, which has one; give "
                f"the run's id."
            )
        fetched = fetch_model(store, uri)
        bundle = fetched.folder / BUNDLE
        loaded = read_bundle(bundle, trust=trust)
        examples = _examples(bundle, loaded)
        return ServedModel(loaded, examples, uri, fetched.run_id, fetched.model_id)
    run = uri.removeprefix("runs:/").partition("/")[0]
    if "/" in run or ":" in run:
        raise ConfigError(
            f"{uri!r} names no model; give models:/NAME@ALIAS, models:/NAME/VERSION or a run's id."
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
