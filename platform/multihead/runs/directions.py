"""Derive `mode` (min or max) from the monitored metric.

A missing `mode` is derived from the metric. A `mode` that contradicts the metric is refused,
because it would silently keep the worst epoch.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from multihead.errors import ConfigError
from multihead.metrics.registry import is_known, metric_of

Section = Mapping[str, Any]
_MODES = ("min", "max")
_WATCHING = (".early_stopping", ".model_checkpoint")  # shipped callbacks whose mode may be null


def mode_of(metric: object) -> str | None:
    """Return `max` if a higher value is better, `min` if a lower one is, None if not known.

    Args:
        metric: The name under which it is logged, such as `val/digit_acc`.
    """
    if not isinstance(metric, str) or not is_known(metric):
        return None
    return "max" if metric_of(metric).higher_is_better else "min"


def with_modes(config: Section) -> dict[str, Any]:
    """Return a composed configuration with every `mode` of null replaced by that of its metric.

    A `mode` of null is removed if its metric is not known yet, such as a user's own metric;
    `with_mode` sets it later.
    """
    settled = dict(config)
    callbacks = config.get("callbacks")
    if isinstance(callbacks, Mapping):
        settled["callbacks"] = {
            name: _settled(node, node.get("monitor")) if isinstance(node, Mapping) else node
            for name, node in callbacks.items()
        }
    model = config.get("model")
    if isinstance(model, Mapping) and isinstance(model.get("scheduler"), Mapping):
        scheduler = _settled(model["scheduler"], model.get("scheduler_monitor"))
        settled["model"] = {**model, "scheduler": scheduler}
    return settled


def _settled(node: Section, monitor: object) -> Section:
    if "mode" not in node or node["mode"] is not None:
        return node
    mode = mode_of(monitor)
    return {k: mode if k == "mode" else v for k, v in node.items() if k != "mode" or mode}


def with_mode(
    node: Section, monitor: object, locate: Callable[[object, str], Any], path: str
) -> Section:
    """Return a node with the `mode` of its monitored metric, if it has no `mode` yet.

    Args:
        node: The node of a callback or a scheduler.
        monitor: The metric that it watches, or None.
        locate: Returns the class that a `_target_` names.
        path: The dotted key of the node, for messages.
    """
    if monitor is None or "mode" in node:
        return node
    target = locate(node["_target_"], f"{path}._target_")
    with suppress(ValueError):  # a builtin has no signature
        if "mode" not in inspect.signature(target).parameters:
            return node
    mode = mode_of(monitor)
    return {**node, "mode": mode} if mode is not None else node


def check_modes(callbacks: Mapping[str, Section], scheduler: Section, monitor: str) -> None:
    """Check that no `mode` contradicts its metric.

    Args:
        callbacks: The nodes of the callbacks by name.
        scheduler: The scheduler's node; empty without a scheduler.
        monitor: The metric that a ReduceLROnPlateau watches.

    Raises:
        ConfigError: If a `mode` contradicts its metric, or is missing for an unknown metric.
    """
    for key, metric, mode in _monitored(callbacks, scheduler, monitor):
        better = mode_of(metric)
        if metric is not None and better is None and mode is None and key.endswith(_WATCHING):
            raise ConfigError(
                f"{key} watches {metric}, but it is not known whether higher or lower is better; "
                f"write {key}.mode=min or {key}.mode=max."
            )
        if better is not None and mode in _MODES and mode != better:
            way = "higher" if better == "max" else "lower"
            raise ConfigError(
                f"{key}.mode is {mode!r}, but {metric} is better when {way}; "
                f"write {key}.mode={better}, or {key}.mode=null to derive it from the metric."
            )


def _monitored(
    callbacks: Mapping[str, Section], scheduler: Section, monitor: str
) -> Iterator[tuple[str, object, object]]:
    for name, node in callbacks.items():
        yield f"callbacks.{name}", node.get("monitor"), node.get("mode")
    if str(scheduler.get("_target_", "")).endswith("ReduceLROnPlateau"):
        yield "model.scheduler", monitor, scheduler.get("mode", "min")
