"""Where the weights of a backbone come from, as `model.init_from` says: a run, or a file.

A configuration is recorded with the SHA-256 of the file. So hashes tell what was started from, and
a training that goes on needs the file no more. No file that a record names is opened; see
`runs.trust`.
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
    """What a training started from.

    Attributes:
        source: As the configuration names it; empty for weights that timm published.
        digest: SHA-256 of the file, in hexadecimal.
        fits: What became of each tensor.
        normalised: A line on how images are normalised; empty if as ever.
    """

    source: str = ""
    digest: str = ""
    fits: tuple[Fit, ...] = ()
    normalised: str = ""

    @property
    def notes(self) -> list[str]:
        """What a person should know, in a line or two."""
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
        """What a list of runs can be searched by."""
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
    """Return a composed configuration that says what the file holds that it starts from.

    Args:
        config: In plain types; unchanged if it starts from none, or goes on from a checkpoint.

    Raises:
        ConfigError: If there is no such run or file, or it is another one than the record's.
        CheckpointError: If the run has no checkpoint.
    """
    found = _found(config)
    return config if found is None else found[0]


def with_file(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what `with_digest` does, with the path of the file in place of a run."""
    found = _found(config)
    if found is None:
        return config
    recorded, path = found
    return {**recorded, "model": {**recorded["model"], FROM: str(path.absolute())}}


def _found(config: Mapping[str, Any]) -> tuple[Mapping[str, Any], Path] | None:
    """Return the configuration with the digest, and the file; None if it starts from none."""
    model = config["model"]
    if model.get(FROM) is None or config["ckpt_path"] is not None:
        return None
    name, path = _place(config)
    digest = _digest(path)
    if model.get(DIGEST) not in (None, digest):
        raise ConfigError(
            f"model.{FROM} is {name}, which has changed since it was recorded: its SHA-256 was "
            f"{str(model[DIGEST])[:12]}, now it is {digest[:12]}; add model.{DIGEST}=null to start "
            f"from what it is now."
        )
    return {**config, "model": {**model, FROM: name, DIGEST: digest}}, path


def start_network(
    model: Mapping[str, Any], network: MultiheadNetwork, data: MultiheadDataModule
) -> Start | None:
    """Give a network the weights that it is to start from, and have images normalised for them.

    Args:
        model: The section of the configuration, with the path of a file if it starts from one.
        network: Changed in place.
        data: Its images are normalised as those of the weights were, unless mean and deviation are
            given.

    Returns:
        What became of it; None if the network starts from random weights.

    Raises:
        ConfigError: If nothing fits.
        CheckpointError: If the file is damaged or hostile.
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
    """Return a start with the name of its source that the configuration has."""
    name = config["model"].get(FROM)
    return replace(start, source=str(name)) if start.source and name else start


def _normalise(data: MultiheadDataModule, statistics: tuple[list[float], list[float]]) -> str:
    channels = data.image_shape[0]
    found = adapted_normalisation(*statistics, channels)
    if isinstance(data.normalize, Mapping):
        return (
            "images are normalised by data.normalize, whatever the weights to start from were "
            "trained with"
        )
    if found is None:
        return (
            f"images are normalised as the data say: the weights to start from were trained with "
            f"{len(statistics[0])} channels, these have {channels}"
        )
    data.normalise_all_as(*found)
    mean, std = (", ".join(f"{value:.4g}" for value in values) for values in found)
    return (
        f"images are normalised as those of the weights to start from: mean {mean}; "
        f"deviation {std} (data.normalize={{mean: [...], std: [...]}} sets others)"
    )


def _place(config: Mapping[str, Any]) -> tuple[str, Path]:
    """Return what to call the source, and its file."""
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
    """Return the SHA-256 of a file, read once while it stays as it is."""
    about = path.stat()
    key = (str(path.absolute()), about.st_size, about.st_mtime_ns)
    if key not in _hashes:
        _hashes[key] = sha256(path)
    return _hashes[key]


def _named(fits: list[Fit]) -> str:
    shown = [f"{fit.name[:80]} ({fit.why})" if fit.why else fit.name[:80] for fit in fits]
    more = len(shown) - _MOST_NAMED
    return ", ".join(shown[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
