"""Hash a configuration over the keys that change results.

Two configurations with the same hash train the same. These rules apply:

- The folders of data and runs, and names, are left out. The data have their own digests.
- Workers and caches are left out, because they do not change the samples or their order.
- The path of a checkpoint counts if the training starts from it.
- A shipped dataset counts under the name that it had before `data.source` existed.
- A key that is newer than some records counts only if its value changes what they did.
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
    "model.init_from",  # `model.init_digest` counts instead
    *("model.predictions_mb", "data.num_workers", "data.pin_memory", "data.persistent_workers"),
    *("callbacks.progress", "callbacks.telemetry"),
    *("trainer.enable_progress_bar", "trainer.enable_model_summary", "trainer.default_root_dir"),
    *("trainer.log_every_n_steps", "trainer.logger"),
)
# Keys that earlier releases did not have, with the value that gives the earlier behaviour.
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
    "model.finetune.bias_lr_scale": 1.0,
    "model.init_digest": None,
    "model.net.mirrored": False,
    "data.stratify": None,
    "data.folds": None,
    "data.fold": None,
    "data.duplicates": "join",
}


def config_hash(config: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits that are equal for configurations that train the same.

    Args:
        config: A composed configuration in plain types.
    """
    return _hash(config, _WITHOUT_EFFECT)


def settings_hash(config: Mapping[str, Any]) -> str:
    """Return a hash like `config_hash`, but without the seeds."""
    return _hash(config, (*_WITHOUT_EFFECT, *_SEEDS))


def _hash(config: Mapping[str, Any], left_out: tuple[str, ...]) -> str:
    # A configuration without `init_from` is returned unchanged, so its hash stays the same.
    if not _at(config, "model.init_digest"):
        from multihead.runs.start import with_digest  # torch and lightning take seconds

        config = with_digest(config)
    if not (config["train"] and config["ckpt_path"]):
        left_out = (*left_out, "ckpt_path")
    if not _at(config, "data.augment"):  # null, or not in an older record
        left_out = (*left_out, "data.augment", "data.breaks")
    left_out += tuple(path for path in _SINCE if _is_as_before(config, path))
    text = json.dumps(_plain(_as_ever(config), "", left_out), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_as_before(config: Mapping[str, Any], path: str) -> bool:
    """Return whether a key of `_SINCE` has the value that gives the earlier behaviour."""
    value = _at(config, path)
    if isinstance(value, Mapping):
        inner = [key for key in value if f"{path}.{key}" in _SINCE]
        as_before = [key for key in inner if _is_as_before(config, f"{path}.{key}")]
        value = {key: each for key, each in value.items() if key not in as_before}
    return bool(value == _SINCE[path])


def _as_ever(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a configuration with the dataset name that was used before `data.source`."""
    data = config.get("data")
    if not isinstance(data, Mapping) or data.get("source") is None:
        return config
    from multihead.datasets.named import NAME_OF_SOURCE  # torch takes seconds to import

    target, source, name = data.get("_target_"), data["source"], None
    if target == "multihead.MultiheadDataModule" and set(source) == {"_target_", "_partial_"}:
        name = NAME_OF_SOURCE.get(current(source["_target_"]))
    elif current(str(target)) in NAME_OF_SOURCE.values():
        name = target  # an old class that sets its source itself
    if name is None:
        return config
    others = {key: value for key, value in data.items() if key != "source"}
    return {**config, "data": {**others, "_target_": name}}


def _at(config: Any, path: str) -> Any:
    """Return the value at a dotted path, or None if the path does not exist."""
    for key in path.split("."):
        config = config.get(key) if isinstance(config, Mapping) else None
    return config


def _plain(value: Any, path: str, left_out: tuple[str, ...]) -> Any:
    """Return a value in JSON's types, with integers as floats, so that 1 and 1.0 are equal."""
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
