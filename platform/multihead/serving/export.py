"""Export a run's best checkpoint to formats that other programs read.

ONNX and TorchScript files compute logits from pixels. They take images uint8 [B, H, W, C] of any B,
normalise them, and return the logits [B, K] of every head, in the order of the heads. A safetensors
file holds the weights.

Each file also holds the content of a logged model's `model.json`, such as how training read
pictures. It is under `multihead` in the header of safetensors and in ONNX's metadata, and in the
extra file `multihead.json` of TorchScript.

Each file is read back and compared with the checkpoint before it gets its final name.
"""

import json
import logging
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from multihead.errors import ConfigError, StoreError
from multihead.files import write_atomically
from multihead.runs.bundle import describe, described
from multihead.runs.load import LoadedRun, load_run
from multihead.tracking.store import Store

# Largest allowed difference of a logit, relative to the head's largest logit or to 1.
TOLERANCE = {"onnx": 1e-4, "torchscript": 1e-5, "safetensors": 0.0}
SUFFIX = {"onnx": ".onnx", "torchscript": ".pt", "safetensors": ".safetensors"}
_BATCHES = (1, 2, 7)
_OPSET = 20
_DESCRIPTION = "multihead"


@dataclass(frozen=True)
class Exported:
    """An exported file.

    Attributes:
        path: The file.
        difference: Largest difference of a logit from the checkpoint's, relative as in
            `TOLERANCE`.
        tolerance: The largest allowed difference.
    """

    path: Path
    difference: float
    tolerance: float


class PixelsToLogits(nn.Module):
    """A network together with its normalisation.

    Shape:
        images uint8 [B, H, W, C] -> tuple of logits [B, K], in the order of the heads.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, loaded: LoadedRun) -> None:
        super().__init__()
        self.network, self.names = loaded.network, list(loaded.heads)
        std = torch.tensor(loaded.std)
        self.register_buffer("scale", 1 / (255 * std).view(1, -1, 1, 1))
        self.register_buffer("shift", (torch.tensor(loaded.mean) / std).view(1, -1, 1, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the logits of every head."""
        pixels = images.permute(0, 3, 1, 2).float() * self.scale - self.shift
        logits = self.network(pixels)
        return tuple(logits[name] for name in self.names)


def export(
    run: str,
    to: str,
    out: Path | None = None,
    *,
    store: Store | None = None,
    trust: Collection[str] = (),
    checkpoint: str | None = None,
) -> Exported:
    """Export a run's best checkpoint, and check that the file gives the same logits.

    Args:
        run: The run's id, MLflow's id, or a unique prefix of either.
        to: `onnx`, `torchscript` or `safetensors`.
        out: The file. The default is `<run>.<suffix>` in the current folder, or
            `<run>-<checkpoint>.<suffix>` if a checkpoint is named.
        store: The store; the default store if None.
        trust: Names of network classes to trust that are not part of multihead.
        checkpoint: The name of another checkpoint of the run, such as `best-digit`.

    Raises:
        ConfigError: If there is no such run, its network's class is not trusted, a library is
            missing, the network cannot be exported, or the exported logits differ.
        CheckpointError: If its checkpoint is missing, damaged or hostile.
        StoreError: If the file cannot be written.
    """
    loaded = load_run(run, store, trust=trust, checkpoint=checkpoint)
    name = run if checkpoint is None else f"{run}-{checkpoint.removesuffix('.ckpt')}"
    path = out or Path(f"{name}{SUFFIX[to]}")
    write, read = _FORMATS[to]
    found: list[float] = []

    def write_checked(temporary: Path) -> None:
        write(loaded, temporary)
        found.append(_difference(loaded, read(loaded, temporary)))
        if not found[0] <= TOLERANCE[to]:
            raise ConfigError(
                f"the network gives other logits as {to}: they differ by {found[0]:.2g}, but "
                f"only {TOLERANCE[to]:.2g} is allowed; no file was written."
            )

    try:
        write_atomically(path, write_checked)
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror or error}).") from error
    return Exported(path, found[0], TOLERANCE[to])


Answering = Callable[[NDArray[np.uint8]], Sequence[NDArray[np.float32]]]


def _difference(loaded: LoadedRun, answering: Answering) -> float:
    """Return the largest difference for noise, black and white images, in several batch sizes."""
    channels, height, width = loaded.image_shape
    rng = np.random.default_rng(0)
    worst = 0.0
    for count in _BATCHES:
        images = rng.integers(0, 256, (count, height, width, channels), dtype=np.uint8)
        images[0] = 255 * (count % 2)
        expected = loaded.outputs(images.transpose(0, 3, 1, 2).copy())
        for wanted, got in zip(expected.values(), answering(images), strict=True):
            far = np.abs(wanted.numpy() - got).max() / max(1.0, float(wanted.abs().max()))
            worst = max(worst, float(far))
    return worst


def _write_onnx(loaded: LoadedRun, path: Path) -> None:
    try:
        import onnx
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"--to onnx needs {error.name}; pip install 'multihead[export]'."
        ) from error
    channels, height, width = loaded.image_shape
    images = torch.zeros(2, height, width, channels, dtype=torch.uint8)
    names = list(loaded.heads)
    with _quiet(), _refusals("onnx"):
        torch.onnx.export(
            PixelsToLogits(loaded).eval(),
            (images,),
            path,
            input_names=["images"],
            output_names=names,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            external_data=False,
            opset_version=_OPSET,
            verbose=False,
        )
        model = onnx.load(path)
        model.metadata_props.add(key=_DESCRIPTION, value=json.dumps(describe(loaded)))
        onnx.save(model, path)


def _read_onnx(loaded: LoadedRun, path: Path) -> Answering:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        path.read_bytes(), options, providers=["CPUExecutionProvider"]
    )
    return lambda images: cast(
        list[NDArray[np.float32]], session.run(list(loaded.heads), {"images": images})
    )


def _write_torchscript(loaded: LoadedRun, path: Path) -> None:
    channels, height, width = loaded.image_shape
    images = torch.zeros(2, height, width, channels, dtype=torch.uint8)
    with _quiet(), _refusals("torchscript"), torch.no_grad():
        module = PixelsToLogits(loaded).eval()
        traced = torch.jit.trace(module, (images,), check_trace=False)  # type: ignore[no-untyped-call]
        files = {f"{_DESCRIPTION}.json": json.dumps(describe(loaded))}
        traced.save(str(path), _extra_files=files)


def _read_torchscript(loaded: LoadedRun, path: Path) -> Answering:
    with _quiet():
        script = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]

    @torch.inference_mode()
    def answering(images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        return [logits.numpy() for logits in script(torch.from_numpy(images))]

    return answering


def _write_safetensors(loaded: LoadedRun, path: Path) -> None:
    from safetensors.torch import save_file

    weights = {k: v.contiguous().clone() for k, v in loaded.network.state_dict().items()}
    save_file(weights, path, metadata={_DESCRIPTION: json.dumps(describe(loaded))})


def _read_safetensors(loaded: LoadedRun, path: Path) -> Answering:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        description: dict[str, Any] = json.loads(file.metadata()[_DESCRIPTION])
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    trusted = [loaded.node["_target_"]]  # this process just wrote it
    again = described(description, weights, path, trust=trusted)
    return lambda images: [
        logits.numpy() for logits in again.outputs(images.transpose(0, 3, 1, 2).copy()).values()
    ]


_FORMATS = {
    "onnx": (_write_onnx, _read_onnx),
    "torchscript": (_write_torchscript, _read_torchscript),
    "safetensors": (_write_safetensors, _read_safetensors),
}


@contextmanager
def _refusals(form: str) -> Iterator[None]:
    """Turn an error of an exporter into one line."""
    try:
        yield
    except (RuntimeError, ValueError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"the network cannot be written as {form}: {reason}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide warnings and log messages of the exporters."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
