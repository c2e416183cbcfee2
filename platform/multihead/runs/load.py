"""A recorded run as something that predicts: `load_run(id).predict(images)`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor

from multihead.errors import CheckpointError, ConfigError, DataError
from multihead.heads import Heads
from multihead.models.network import MultiheadNetwork
from multihead.models.readout import Readouts
from multihead.runs.build import make_network
from multihead.tracking.run import CONFIG_FILE, RUN_TAG, find_run
from multihead.tracking.store import Store
from multihead.training.checkpoints import BEST, LAST, check_record, read_checkpoint

Images = NDArray[Any] | Tensor


class LoadedRun:
    """The network of a run with the weights of its best epoch.

    Attributes:
        heads: What it predicts.
        image_shape: Channels, height and width it takes.
        config: The run's configuration.
    """

    def __init__(
        self, network: MultiheadNetwork, record: Mapping[str, Any], config: Mapping[str, Any]
    ) -> None:
        self.network = network.eval()
        self.config = config
        self.heads: Heads = record["heads"]
        self._readouts = Readouts(self.heads)
        self.image_shape: tuple[int, int, int] = tuple(record["image_shape"])
        channels = (1, -1, 1, 1)
        self._mean = torch.tensor(record["mean"]).view(channels)
        self._std = torch.tensor(record["std"]).view(channels)

    @torch.no_grad()
    def predict(self, images: Images) -> dict[str, NDArray[np.int64] | NDArray[np.float64]]:
        """Return what every head predicts, [B] by head name.

        A classification gives its classes, int64; an ordinal head or a regression gives values
        in its parameter's unit, float64.

        Args:
            images: uint8 [B, C, H, W], [B, H, W, C] or, for one channel, [B, H, W]; one image
                without B is a batch of one. Floating-point images [B, C, H, W] are taken as
                normalised already.

        Raises:
            DataError: For another shape or type.
        """
        outputs = self.network(self._batch(images))
        return {n: self._readouts[n].values(v.float()).numpy() for n, v in outputs.items()}

    @torch.no_grad()
    def probabilities(self, images: Images) -> dict[str, NDArray[np.float32]]:
        """Return the probability of every class or level, float32 [B, K] by head name.

        Regressions predict no distribution and are absent.
        """
        outputs = self.network(self._batch(images))
        return {
            name: values.float().softmax(1).numpy()
            for name, values in outputs.items()
            if self.heads[name].kind != "regression"
        }

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


def load_run(run: str, store: Store | None = None) -> LoadedRun:
    """Load the best checkpoint of a run (its last one if there is no best).

    Args:
        run: Our id, MLflow's id, or a unique prefix of either.
        store: The default store if none.

    Raises:
        ConfigError: If there is no such run.
        CheckpointError: If it has no checkpoint, or a damaged or hostile one.
    """
    store = store or Store()
    record = find_run(store, run)
    folder = store.home / record.data.tags.get(RUN_TAG, record.info.run_id)
    config_file = _file(store, record, folder / CONFIG_FILE, CONFIG_FILE)
    if config_file is None:
        raise ConfigError(f"run {run} has no {CONFIG_FILE}; it was not made by multihead.")
    try:
        config = yaml.safe_load(config_file.read_text())
        _ = config["model"]["net"]["_target_"]
    except (yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{CONFIG_FILE} of run {run} is damaged: it names no network.") from error
    for name in (BEST, LAST):
        path = _file(store, record, folder / "checkpoints" / name, f"checkpoints/{name}")
        if path is not None:
            return load_checkpoint(path, config)
    raise CheckpointError(f"run {run} has no checkpoint; it stopped before its first one.")


def load_checkpoint(path: Path, config: Mapping[str, Any]) -> LoadedRun:
    """Build the network of a configuration and give it the weights of a checkpoint.

    Raises:
        CheckpointError: If it is damaged, hostile or of another architecture.
    """
    checkpoint = read_checkpoint(path)
    record = check_record(checkpoint, path)
    if record["image_shape"] is None:
        raise CheckpointError(f"{path} does not say the images of its network; train it anew.")
    channels, height, width = record["image_shape"]
    heads: Heads = record["heads"]
    network = make_network(
        config["model"]["net"],
        {
            "input_channels": channels,
            "input_size": (height, width),
            "heads_config": heads.outputs,
        },
    )
    weights = {
        key.removeprefix("net."): value
        for key, value in checkpoint["state_dict"].items()
        if key.startswith("net.")
    }
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f"{path} is of another architecture than its run's.") from error
    return LoadedRun(network, record, config)


def _file(store: Store, record: Any, local: Path, artifact: str) -> Path | None:
    """Return the file in the run's folder, else a copy from the store, else None."""
    if local.is_file():
        return local
    with store.errors():
        client, run_id = store.client, record.info.run_id
        folder = artifact.rpartition("/")[0] or None
        if artifact not in [f.path for f in client.list_artifacts(run_id, folder)]:
            return None
        return Path(client.download_artifacts(run_id, artifact))
