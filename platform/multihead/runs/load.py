"""Load a recorded run for predictions: `load_run(id).predict(images)`."""

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from multihead.datasets.picture_opening import PictureError
from multihead.datasets.preparation import Preparation
from multihead.errors import CheckpointError, ConfigError, DataError
from multihead.heads import Heads
from multihead.heads.readout import Readouts
from multihead.models.network import MultiheadNetwork
from multihead.runs.build import make_network
from multihead.runs.fitting import check_node, fitted
from multihead.runs.recorded import read_config
from multihead.runs.run_files import chosen_checkpoint, run_file
from multihead.runs.sections import Node
from multihead.runs.trust import check_network, import_kinds
from multihead.text import one_line
from multihead.tracking.find import find_run, folder_of
from multihead.tracking.folder import CONFIG_FILE
from multihead.tracking.store import Store
from multihead.training.checkpoints import RECORD, check_record, read_checkpoint

Images = NDArray[Any] | Tensor
# Limits of the image shape in a record: of each side, and of channels x height x width.
_LARGEST_SIDE, _LARGEST_IMAGE = 65_536, 1 << 26


class LoadedRun:
    """The network of a run with the weights of a checkpoint.

    Attributes:
        heads: The heads of the network.
        readouts: Turn the network's outputs into predictions.
        image_shape: Channels, height and width of the images.
        mean: Mean of each channel, of pixels scaled to 0..1.
        std: Standard deviation of each channel, of pixels scaled to 0..1.
        preparation: How the training turned picture files into pixels. It is None if the training
            data were not picture files, or if the run is of an earlier release.
        node: The network and its arguments, as in the configuration.
    """

    def __init__(self, network: MultiheadNetwork, record: Mapping[str, Any], node: Node) -> None:
        self.network = network.eval()
        self.node = node
        self.heads: Heads = record["heads"]
        self.readouts = Readouts(self.heads)
        self.image_shape: tuple[int, int, int] = tuple(record["image_shape"])
        self.mean, self.std = tuple(record["mean"]), tuple(record["std"])
        self.preparation: Preparation | None = record.get("preparation")
        channels = (1, -1, 1, 1)
        self._mean = torch.tensor(self.mean).view(channels)
        self._std = torch.tensor(self.std).view(channels)

    def predict(self, images: Images) -> dict[str, NDArray[np.int64] | NDArray[np.float64]]:
        """Return the predictions of every head, [B] by head name.

        A classification head gives classes, int64. An ordinal head or a regression gives values in
        its parameter's unit, float64. Another kind gives what its readout returns.

        Args:
            images: uint8 [B, C, H, W], [B, H, W, C] or, for one channel, [B, H, W]. An image
                without B is a batch of one. Floating-point images [B, C, H, W] must already be
                normalised.

        Raises:
            DataError: For another shape or type.
        """
        return {n: self.readouts[n].values(v).numpy() for n, v in self.outputs(images).items()}

    def pictures(self, files: Sequence[str | Path | bytes]) -> NDArray[np.uint8]:
        """Read picture files as the training did, and return uint8 [B, C, H, W] for `predict`.

        Args:
            files: Paths, or the content of files; 1 or more.

        Raises:
            DataError: If the training did not use picture files, or if a file cannot be read.
        """
        if self.preparation is None:
            raise DataError(
                "this run does not record how picture files are read; give pixels to `predict`."
            )
        found = []
        for number, given in enumerate(files):
            file = Path(given) if isinstance(given, str) else given
            try:
                found.append(self.preparation.read(file))
            except PictureError as error:
                name = one_line(str(file)) if isinstance(file, Path) else f"picture {number}"
                raise DataError(f"{name} {error}.") from None
        return np.stack(found)

    def probabilities(self, images: Images) -> dict[str, NDArray[np.float32]]:
        """Return the probability of every class or level, float32 [B, K] by head name.

        Heads whose kind predicts no distribution, such as regressions, are left out.
        """
        return self.probabilities_of(self.outputs(images))

    def probabilities_of(self, outputs: Mapping[str, Tensor]) -> dict[str, NDArray[np.float32]]:
        """Return the same as `probabilities`, from the return value of `outputs`."""
        found = {n: self.heads[n].kind.probabilities(values) for n, values in outputs.items()}
        return {name: values.numpy() for name, values in found.items() if values is not None}

    @torch.inference_mode()
    def outputs(self, images: Images) -> dict[str, Tensor]:
        """Return the network's outputs, float32 [B, K] by head name."""
        return {name: values.float() for name, values in self.network(self._batch(images)).items()}

    def _batch(self, images: Images) -> Tensor:
        batch = torch.as_tensor(images)
        channels, height, width = self.image_shape
        shape = tuple(batch.shape)
        if len(shape) < 4 and shape[-2:] == (height, width) and channels == 1:
            batch = batch.reshape(-1, 1, height, width)
        elif len(shape) == 3:
            batch = batch.unsqueeze(0)
        if tuple(batch.shape[1:]) == (height, width, channels) != self.image_shape:
            batch = batch.movedim(-1, 1)
        if batch.ndim != 4 or tuple(batch.shape[1:]) != self.image_shape:
            raise DataError(
                f"images are {list(shape)}; this run takes [B, {channels}, {height}, {width}] or "
                f"[B, {height}, {width}, {channels}]."
            )
        if batch.is_floating_point():
            return batch.float()
        if batch.dtype != torch.uint8:
            raise DataError(f"images are {batch.dtype}; give uint8, or normalised floats.")
        return (batch.float() / 255 - self._mean) / self._std


def load_run(
    run: str,
    store: Store | None = None,
    *,
    trust: Collection[str] = (),
    checkpoint: str | None = None,
) -> LoadedRun:
    """Load a checkpoint of a run: by default the best one, or the last if there is no best.

    Args:
        run: The run's id, its MLflow id, or a unique prefix of either.
        store: The store of the run; None for the default store.
        trust: Full names of classes to trust, for a network that multihead does not ship.
        checkpoint: The name of another checkpoint of the run, such as `best-digit`.

    Raises:
        ConfigError: If the run does not exist, or its network is neither shipped nor trusted.
        CheckpointError: If the checkpoint does not exist, is damaged or malicious.
    """
    config, path, _ = recorded(run, store or Store(), checkpoint)
    node = config["model"]["net"]
    check_network(node, f"{CONFIG_FILE} of run {run}", trust)
    return load_checkpoint(path, node, trust=trust)


def recorded(
    run: str, store: Store, checkpoint: str | None = None
) -> tuple[dict[str, Any], Path, bool]:
    """Return the configuration of a run, a checkpoint, and whether the first is from its folder.

    Both come from the run's folder, or else from the store; see `run_files.chosen_checkpoint`.
    Before building anything from the configuration, check its targets with `runs.trust`.

    Raises:
        ConfigError: If the run does not exist, or its configuration is damaged.
        CheckpointError: If the run has no checkpoint, or none of this name.
    """
    record = find_run(store, run)
    config, ours = config_of(store, record, run)
    return config, chosen_checkpoint(store, record, run, checkpoint), ours


def config_of(store: Store, record: Any, run: str) -> tuple[dict[str, Any], bool]:
    """Return the configuration of a recorded run, and whether it is from the run's folder.

    Args:
        store: The store of the run.
        record: The run in the store.
        run: The name of the run for messages.

    Raises:
        ConfigError: If the run has no configuration, or a damaged one.
    """
    own = folder_of(store, record) / CONFIG_FILE
    file = run_file(store, record, own, CONFIG_FILE)
    if file is None:
        raise ConfigError(f"run {run} has no {CONFIG_FILE}; it was not made by multihead.")
    return read_config(file, f"{CONFIG_FILE} of run {run}"), file == own


def load_checkpoint(path: Path, node: Node, *, trust: Collection[str] = ()) -> LoadedRun:
    """Build a network and load the weights of a checkpoint.

    Args:
        path: The checkpoint.
        node: The network and its arguments. If they are recorded, `runs.trust` must check them.
        trust: Full names of kinds of heads to trust, for those that multihead does not ship.

    Raises:
        CheckpointError: If the checkpoint is damaged, malicious or of another architecture.
        ConfigError: If a head is of a kind that is neither shipped nor trusted.
    """
    checkpoint = read_checkpoint(path)
    if isinstance(checkpoint.get(RECORD), dict):
        import_kinds(checkpoint[RECORD].get("heads"), f"the checkpoint {path}", trust)
    record = check_record(checkpoint, path)
    weights = {
        key.removeprefix("net."): value
        for key, value in checkpoint["state_dict"].items()
        if isinstance(key, str) and key.startswith("net.")
    }
    return assemble(node, record, weights, path)


def assemble(
    node: Node,
    record: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    path: Path,
) -> LoadedRun:
    """Build a network and load its weights.

    Args:
        node: The network and its arguments. If they are recorded, `runs.trust` must check them.
        record: `heads` as Heads, `image_shape` [C, H, W], `mean` and `std` [C], and optionally
            `preparation` as `Preparation.record` returns it.
        weights: The network's state.
        path: The file of the weights, for messages.

    Raises:
        CheckpointError: If the record is damaged or the weights are of another architecture.
    """
    channels, height, width = _checked_shape(record, path)
    heads: Heads = record["heads"]
    check_node(node, path)
    derived = {
        "input_channels": channels,
        "input_size": (height, width),
        "heads_config": heads.outputs,
    }
    preparation = _checked_preparation(record, path)
    network = fitted(lambda: make_network(node, derived, from_checkpoint=True), weights, path)
    return LoadedRun(network, {**record, "preparation": preparation}, node)


def _checked_preparation(record: Mapping[str, Any], path: Path) -> Preparation | None:
    if record.get("preparation") is None:
        return None
    try:
        preparation = Preparation.from_record(record["preparation"])
    except ConfigError as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    if preparation.shape != tuple(record["image_shape"]):
        raise CheckpointError(
            f"{path} is damaged: it prepares pictures of {list(preparation.shape)}, but its "
            f"network takes {list(record['image_shape'])}."
        )
    return preparation


def _checked_shape(record: Mapping[str, Any], path: Path) -> tuple[int, int, int]:
    """Return channels, height and width, after checking them with mean and std."""
    shape = record["image_shape"]
    if shape is None:
        raise CheckpointError(f"{path} has no image shape of its network; train a new run.")
    figures = [record["mean"], record["std"]]
    if (
        not isinstance(shape, list | tuple)
        or len(shape) != 3
        or not all(type(n) is int and 0 < n <= _LARGEST_SIDE for n in shape)
        or math.prod(shape) > _LARGEST_IMAGE
        or not all(isinstance(f, list | tuple) and len(f) == shape[0] for f in figures)
        or not all(_is_finite(v) for f in figures for v in f)
        or not all(figures[1])
    ):
        raise CheckpointError(f"{path} is damaged: its image shape, mean and std do not fit.")
    return shape[0], shape[1], shape[2]


def _is_finite(value: object) -> bool:
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:  # an integer that is too large for a float
        return False
