"""Whether two configurations train the same: hashes over what changes results, and nothing else.

Where data lie, where runs go and how they are named are left out: the data have digests of their
own. Workers and what is kept in memory change neither the samples nor their order. A checkpoint
counts, by its path, where training starts from it. A dataset of ours counts under the name that it
had before `data.source` chose it. A key that is newer than some records counts where it changes
what they did.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from multihead.runs.former_names import current

HASH_TAG, SETTINGS_TAG = "multihead.config_hash", "multihead.settings_hash"
_SEEDS = ("seed", "data.seed")
_WITHOUT_EFFECT = (
    *("paths", "logger", "name", "tags", "train", "test", "optimized_metric"),
    *("data.data_dir", "data.table", "data.generate", "data.memory_budget_mb"),
    "data.cache",
    "model.init_from",  # but what is in it
    *("model.predictions_mb", "data.num_workers", "data.pin_memory", "data.persistent_workers"),
    *("callbacks.progress", "callbacks.telemetry"),
    *("trainer.enable_progress_bar", "trainer.enable_model_summary", "trainer.default_root_dir"),
    *("trainer.log_every_n_steps", "trainer.logger"),
)
# Keys that earlier releases did not have, with the value that does what those did.
_SINCE = {
    "model.balancer": {"_target_": "multihead.balancing.StaticWeights", "_partial_": True},
    "model.balancer.decay": 0.001,
    "model.metrics": None,
    "model.class_criterion": None,
    "model.class_weights": None,
    "model.pos_weight": None,
    "model.label_smoothing": None,
    "model.finetune": {
        "_target_": "multihead.training.finetuning.Finetuning",
        "unfreeze": "all",
        "layer_decay": 1.0,
        "head_lr": None,
        "decay_norms_and_biases": True,
    },
    "model.init_digest": None,
    "model.net.mirrored": False,
    "data.stratify": None,
    "data.folds": None,
    "data.fold": None,
    "data.duplicates": "join",
}


def config_hash(config: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits that two configurations share if they train the same.

    Args:
        config: A composed configuration in plain types.
    """
    return _hash(config, _WITHOUT_EFFECT)


def settings_hash(config: Mapping[str, Any]) -> str:
    """Return what `config_hash` returns, but the same for all seeds."""
    return _hash(config, (*_WITHOUT_EFFECT, *_SEEDS))


def _hash(config: Mapping[str, Any], left_out: tuple[str, ...]) -> str:
    # An evaluation names the checkpoint that its training made, and a hash without one is the same
    # as ever.
    if not _at(config, "model.init_digest"):
        from multihead.runs.start import with_digest  # torch and lightning take seconds

        config = with_digest(config)
    if not (config["train"] and config["ckpt_path"]):
        left_out = (*left_out, "ckpt_path")
    if not _at(config, "data.augment"):  # also where records have no such keys
        left_out = (*left_out, "data.augment", "data.breaks")
    left_out += tuple(path for path, value in _SINCE.items() if _at(config, path) == value)
    text = json.dumps(_plain(_as_ever(config), "", left_out), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _as_ever(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a configuration that calls its dataset what it was called before `data.source`."""
    data = config.get("data")
    if not isinstance(data, Mapping) or data.get("source") is None:
        return config
    from multihead.datasets.named import NAME_OF_SOURCE  # torch takes seconds to import

    target, source, name = data.get("_target_"), data["source"], None
    if target == "multihead.MultiheadDataModule" and set(source) == {"_target_", "_partial_"}:
        name = NAME_OF_SOURCE.get(current(source["_target_"]))
    elif current(str(target)) in NAME_OF_SOURCE.values():
        name = target  # which has a source of its own
    if name is None:
        return config
    others = {key: value for key, value in data.items() if key != "source"}
    return {**config, "data": {**others, "_target_": name}}


def _at(config: Any, path: str) -> Any:
    """Return the value at a path, or None where there is none."""
    for key in path.split("."):
        config = config.get(key) if isinstance(config, Mapping) else None
    return config


def _plain(value: Any, path: str, left_out: tuple[str, ...]) -> Any:
    """Return a value as JSON has it, with 1 and 1.0 the same."""
    match value:
        case Mapping():
            inner = {str(k): (f"{path}.{k}" if path else str(k), v) for k, v in value.items()}
            return {k: _plain(v, p, left_out) for k, (p, v) in inner.items() if p not in left_out}
        case list() | tuple():
            return [_plain(each, path, left_out) for each in value]
        case bool() | None | str():
            return value
        case int() | float():
            return float(value)
    raise TypeError(f"{path} is a {type(value).__name__}, which no configuration holds")
