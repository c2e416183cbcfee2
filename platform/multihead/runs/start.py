"""Load the initial weights of a backbone from a run or a file, as `model.init_from` configures.

The recorded configuration has the SHA-256 of the file, so the configuration's hash depends on the
weights. A resumed training does not need the file any more. No file that a record names is opened;
see `runs.trust`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from multihead import settings
from multihead.data.datamodule import MultiheadDataModule
from multihead.errors import ConfigError
from multihead.files import sha256
from multihead.models.network import MultiheadNetwork
from multihead.models.transfer import FITTED, LEFT, Fit, adapted_normalisation, transfer
from multihead.runs.run_files import checkpoint_of
from multihead.runs.weights_file import SUFFIXES, read_weights
from multihead.tracking.store import Store

FROM, DIGEST = "init_from", "init_digest"
_MOST_NAMED = 3
_hashes: dict[tuple[str, int, int], str] = {}


@dataclass(frozen=True)
class Start:
    """The source of a training's initial weights.

    Attributes:
        source: The name in the configuration; empty for weights that timm published.
        digest: SHA-256 of the file, in hexadecimal.
        fits: How each tensor was used.
        normalised: A line on how images are normalised; empty without a change.
    """

    source: str = ""
    digest: str = ""
    fits: tuple[Fit, ...] = ()
    normalised: str = ""

    @property
    def notes(self) -> list[str]:
        """One or two lines for the user."""
        lines = [self.normalised] if self.normalised else []
        if not self.source:
            return lines
        fitted = [fit for fit in self.fits if fit.what == FITTED]
        left = [fit for fit in self.fits if fit.what == LEFT]
        text = (
            f"the backbone starts from {self.source} (sha256 {self.digest[:12]}): "
            f"{len(fitted)} of {len(fitted) + len(left)} tensors fit"
        )
        for what, some in (
            ("made to fit", [fit for fit in fitted if fit.why]),
            ("left as they were", left),
            ("not used", [Fit(f.name, f.what) for f in self.fits if f.what not in (FITTED, LEFT)]),
        ):
            text += f"; {what}: {_named(some)}" if some else ""
        return [text, *lines]

    @property
    def tags(self) -> dict[str, str]:
        """Tags of the run, for searching."""
        fitted = sum(fit.what == FITTED for fit in self.fits)
        return {
            "init.from": self.source,
            "init.digest": self.digest,
            "init.fitted": f"{fitted}" if self.fits else "",
            "init.normalised": self.normalised,
        }

    def table(self) -> pd.DataFrame:
        """Return a row for each tensor."""
        return pd.DataFrame([vars(fit) for fit in self.fits], columns=["name", "what", "why"])


def with_digest(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a composed configuration with the SHA-256 of the weights file in `init_digest`.

    Args:
        config: In plain types. It is returned unchanged without `init_from` or with `ckpt_path`.

    Raises:
        ConfigError: If the run or file does not exist, or if the file is not the recorded one.
        CheckpointError: If the run has no checkpoint.
    """
    found = _found(config)
    return config if found is None else found[0]


def with_file(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the same as `with_digest`, but with the path of the file in `init_from`."""
    found = _found(config)
    if found is None:
        return config
    recorded, path = found
    return {**recorded, "model": {**recorded["model"], FROM: str(path.absolute())}}


def _found(config: Mapping[str, Any]) -> tuple[Mapping[str, Any], Path] | None:
    """Return the configuration with the digest, and the file; None without initial weights."""
    model = config["model"]
    if model.get(FROM) is None or config["ckpt_path"] is not None:
        return None
    name, path = _place(config)
    digest = _digest(path)
    if model.get(DIGEST) not in (None, digest):
        raise ConfigError(
            f"model.{FROM} is {name}, which has changed since it was recorded: its SHA-256 was "
            f"{str(model[DIGEST])[:12]}, now it is {digest[:12]}; add model.{DIGEST}=null to use "
            f"the changed file."
        )
    return {**config, "model": {**model, FROM: name, DIGEST: digest}}, path


def start_network(
    model: Mapping[str, Any], network: MultiheadNetwork, data: MultiheadDataModule
) -> Start | None:
    """Load the initial weights into a network, and normalise the data's images for them.

    Args:
        model: The model section of the configuration. `init_from` is the path of a file or None.
        network: The network; it is changed in place.
        data: Its images are normalised as for the loaded weights, unless `data.normalize` has a
            mean and a standard deviation.

    Returns:
        The source and the use of the tensors; None if the network keeps random weights.

    Raises:
        ConfigError: If no tensor fits.
        CheckpointError: If the file is damaged or malicious.
    """
    if model.get(FROM) is None:
        statistics = network.normalisation
        return None if statistics is None else Start(normalised=_normalise(data, statistics))
    path = Path(model[FROM])
    weights = read_weights(path)
    tensors, prefix = weights.tensors, network.prefix_of_loaded
    if weights.is_ours and prefix:
        within = {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}
        tensors = within or tensors
    fits = transfer(network, tensors)
    if weights.mean is not None and weights.std is not None:
        statistics = (weights.mean, weights.std)
    else:
        statistics = network.published_normalisation
    normalised = "" if statistics is None else _normalise(data, statistics)
    return Start(str(path), str(model.get(DIGEST) or ""), tuple(fits), normalised)


def called(start: Start, config: Mapping[str, Any]) -> Start:
    """Return a start whose source is named as in the configuration."""
    name = config["model"].get(FROM)
    return replace(start, source=str(name)) if start.source and name else start


def _normalise(data: MultiheadDataModule, statistics: tuple[list[float], list[float]]) -> str:
    channels = data.image_shape[0]
    found = adapted_normalisation(*statistics, channels)
    if isinstance(data.normalize, Mapping):
        return (
            "images are normalised by data.normalize, and not as for the training of the initial "
            "weights"
        )
    if found is None:
        return (
            f"images are normalised by the data's own mean and deviation: the initial weights were "
            f"trained with {len(statistics[0])} channels, but these images have {channels}"
        )
    data.normalise_all_as(*found)
    mean, std = (", ".join(f"{value:.4g}" for value in values) for values in found)
    return (
        f"images are normalised as for the training of the initial weights: mean {mean}; "
        f"deviation {std} (data.normalize={{mean: [...], std: [...]}} sets others)"
    )


def _place(config: Mapping[str, Any]) -> tuple[str, Path]:
    """Return the name of the source, and its file."""
    wanted = str(config["model"][FROM])
    if wanted.endswith(SUFFIXES):
        path = Path(wanted).expanduser()
        if "://" in wanted or not path.is_file():
            raise ConfigError(
                f"model.{FROM} is {wanted!r}, but there is no such file; give the path of a "
                f"{' or '.join(SUFFIXES)} file, or the id of a run."
            )
        return wanted, path
    if not wanted.strip() or not all(c.isalnum() or c in "-_" for c in wanted):
        raise ConfigError(
            f"model.{FROM} is {wanted!r}; give the id of a run, or the path of a "
            f"{' or '.join(SUFFIXES)} file."
        )
    home = settings.home_folder(config["paths"]["home"])
    return checkpoint_of(Store(config["logger"]["tracking_uri"], home), wanted)


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file; an unchanged file is read only once."""
    about = path.stat()
    key = (str(path.absolute()), about.st_size, about.st_mtime_ns)
    if key not in _hashes:
        _hashes[key] = sha256(path)
    return _hashes[key]


def _named(fits: list[Fit]) -> str:
    shown = [f"{fit.name[:80]} ({fit.why})" if fit.why else fit.name[:80] for fit in fits]
    more = len(shown) - _MOST_NAMED
    return ", ".join(shown[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
