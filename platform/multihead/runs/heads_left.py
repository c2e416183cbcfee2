"""What a configuration still says of heads that `data.only_heads` leaves out."""

import shlex
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from multihead.errors import ConfigError

# What a configuration has by head name, within `model`.
BY_HEAD = (
    *("loss_weights", "criteria", "eval_weights", "class_weights"),
    *("pos_weight", "label_smoothing", "metrics"),
)
_SPLITS = ("train/", "val/", "test/", "best/val/")


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
    given = {key: model[key] for key in BY_HEAD if isinstance(model.get(key), Mapping)}
    # In the order of the configuration, each once.
    gone = list(dict.fromkeys(n for named in given.values() for n in named if n not in heads))
    if gone:
        overrides = [*_of_model(given, heads), *_of_monitors(config, gone)]
        raise ConfigError(
            f"data.only_heads keeps {', '.join(heads)}, but the configuration still names "
            f"{', '.join(gone)}; add {shlex.join(overrides)}"
        )


def _of_model(given: Mapping[str, Mapping[str, Any]], heads: Collection[str]) -> Iterator[str]:
    for key, named in given.items():
        gone = [name for name in named if name not in heads]
        if gone and (len(gone) == len(named) or (key == "loss_weights" and len(heads) == 1)):
            yield f"model.{key}=null"
        else:
            yield from (f"~model.{key}.{name}" for name in gone)


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
