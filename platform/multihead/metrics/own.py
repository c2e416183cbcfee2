"""User-defined metrics: a function of all predictions, or a torchmetrics object."""

import math
import re
from collections.abc import Callable
from typing import Any

from multihead.errors import ConfigError
from multihead.metrics.metric import Metric, Unit

_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}", re.ASCII)
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_TASKS = ("Multiclass", "Multilabel", "Binary")


def own(
    of: Callable[..., Any],
    higher_is_better: bool | None = None,
    name: str | None = None,
    title: str | None = None,
    unit: str = "none",
) -> Metric:
    """Make a metric from a function or a torchmetrics object.

    Args:
        of: Called with the predictions and labels of all labelled samples of a split; returns a
            number. See `metrics.of_predictions`.
        higher_is_better: Whether a higher value is better. A torchmetrics class defines it itself.
        name: Last part of `{split}/{head}_{name}`: lower-case letters, digits and underscores. The
            default is derived from the function's or the class's name.
        title: The name in words; the default is the name.
        unit: `share`, `label` or `none`; see `Unit`.

    Raises:
        ConfigError: If the name or unit is not allowed, or `higher_is_better` is unknown.
    """
    function = getattr(of, "func", of)  # the function of a partial
    named = name or _own_name(function)
    if not _NAME.fullmatch(named):
        raise ConfigError(
            f"a metric is named {named[:60]!r}; use lower-case letters, digits and _, beginning "
            f"with a letter: name=..."
        )
    if higher_is_better is None:
        higher_is_better = getattr(function, "higher_is_better", None)
    if not isinstance(higher_is_better, bool):
        raise ConfigError(
            f"metric {named!r} does not say which way is better; make it of multihead.metrics.own "
            f"with higher_is_better=true or false."
        )
    units = [each.value for each in Unit]
    if unit not in units:
        raise ConfigError(f"metric {named!r} has the unit {unit!r}; choose one of {units}.")
    bounds = [getattr(of, f"plot_{end}_bound", None) for end in ("lower", "upper")]
    low, high = (math.inf if bound is None else float(bound) for bound in bounds)
    return Metric(
        name=named,
        title=title or named.replace("_", " "),
        short=title or named.replace("_", " "),
        column=named,
        higher_is_better=higher_is_better,
        bounds=(-math.inf if low == math.inf else low, high),
        unit=Unit(unit),
        of_predictions=_called(of),
    )


def _own_name(function: Any) -> str:
    """Return `cohen_kappa` for the function `cohen_kappa` or the class MulticlassCohenKappa."""
    given = getattr(function, "__name__", type(function).__name__)
    for task in _TASKS:
        given = given.removeprefix(task)
    return _WORD.sub("_", given).lower()


def _called(of: Callable[..., Any]) -> Callable[[Any, Any], float]:
    if not all(hasattr(of, step) for step in ("update", "compute", "reset")):
        return lambda predictions, labels: float(of(predictions, labels))

    def computed(predictions: Any, labels: Any) -> float:
        of.reset()  # type: ignore[attr-defined]
        of.to(predictions.device)  # type: ignore[attr-defined]
        of.update(predictions, labels)  # type: ignore[attr-defined]
        return float(of.compute())  # type: ignore[attr-defined]

    return computed
