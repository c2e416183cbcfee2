"""What a configuration still says of heads that `data.only_heads` leaves out."""

import shlex
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from multihead.errors import ConfigError

# What a configuration may have by head name, within `model`.
_BY_HEAD = (
    *("loss_weights", "criteria", "eval_weights", "class_weights"),
    *("pos_weight", "label_smoothing", "metrics"),
)
_SPLITS = ("train/", "val/", "test/", "best/val/")


def without_other_heads(model: Mapping[str, Any], heads: Collection[str]) -> list[str]:
    """Return the overrides that remove what a configuration says of other heads by name.

    An ablation trains its arms with them, so they are part of the hashes of recorded runs. The
    error of `check_heads_left` names the same ones, so a run that is typed by hand is found again.

    Args:
        model: The group `model`.
        heads: Those that are trained. A single head has no loss weight.
    """
    overrides = []
    for key in _BY_HEAD:
        given = model.get(key)
        if key == "loss_weights" and len(heads) == 1:
            overrides.append("model.loss_weights=null")
        elif isinstance(given, Mapping):  # a value for all heads stays
            overrides += [f"~model.{key}.{name}" for name in given if name not in heads]
    return overrides


def check_heads_left(config: Mapping[str, Any], heads: Collection[str]) -> None:
    """Refuse a configuration that names heads which `data.only_heads` leaves out.

    Args:
        config: A composed configuration in plain types.
        heads: Those that are trained.

    Raises:
        ConfigError: With all overrides that mend it.
    """
    if config["data"].get("only_heads") is None:
        return
    model = config["model"]
    given = {key: model[key] for key in _BY_HEAD if isinstance(model.get(key), Mapping)}
    # In the order of the configuration, each once.
    gone = list(dict.fromkeys(n for named in given.values() for n in named if n not in heads))
    if gone:
        overrides = [*without_other_heads(model, heads), *_of_monitors(config, gone)]
        raise ConfigError(
            f"data.only_heads keeps {', '.join(heads)}, but the configuration still names "
            f"{', '.join(gone)}; add {shlex.join(overrides)}"
        )


def _of_monitors(config: Mapping[str, Any], gone: Collection[str]) -> Iterator[str]:
    starts = tuple(f"{split}{name}_" for split in _SPLITS for name in gone)
    if str(config["optimized_metric"]).startswith(starts):
        yield "optimized_metric=null"
    if str(config["model"].get("scheduler_monitor")).startswith(starts):
        yield "model.scheduler_monitor=val/loss"
    for name, node in (config["callbacks"] or {}).items():
        if isinstance(node, Mapping) and str(node.get("monitor")).startswith(starts):
            metric = "val/loss" if node.get("mode") == "min" else "val/acc"
            yield f"callbacks.{name}.monitor={metric}"
