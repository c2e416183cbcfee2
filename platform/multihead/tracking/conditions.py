"""Conditions and sort orders of a search for runs, in MLflow's filter language."""

import re
from dataclasses import dataclass

from multihead.errors import ConfigError
from multihead.tracking.tags import KIND_TAG, STUDY_TAG

_COMPARISON = re.compile(r"(?P<name>[^<>=!]+?)\s*(?P<sign>>=|<=|!=|==?|>|<)\s*(?P<value>\S+)")
_SMALLER_IS_BETTER = re.compile(r"(loss|error|mae|mse|rmse|ece|nll)(_best)?")
_NAME = re.compile(r"[/\w.\- :]+")  # characters that MLflow allows in a name
_ATTRIBUTES = {"name": "run_name", "started": "start_time", "status": "status"}


@dataclass(frozen=True)
class Order:
    """What runs are sorted by.

    Attributes:
        kind: `metric`, `param` or `attribute`.
        key: Its name in MLflow.
        ascending: Whether the smallest value comes first.
    """

    kind: str
    key: str
    ascending: bool

    @property
    def clause(self) -> str:
        """The order as MLflow's `order_by` takes it."""
        direction = "ASC" if self.ascending else "DESC"
        return f"{self.kind}s.{quoted_key(self.key)} {direction}"


def parse_order(text: str) -> Order:
    """Read what to sort by.

    Args:
        text: A metric, `params.<name>`, or one of the columns name, started and status,
            optionally followed by `asc` or `desc`. Without these, the best value of a metric
            comes first: the smallest of a loss, an error or a calibration error, the largest of
            other metrics.

    Raises:
        ConfigError: If the text is empty, or MLflow does not allow the name.
    """
    name, _, direction = text.strip().rpartition(" ")
    if direction.lower() not in ("asc", "desc") or not name.strip():
        name, direction = text, ""
    key = name.strip()
    if not key:
        raise ConfigError("sort is empty; give a metric, such as best/val/digit_acc.")
    if key in _ATTRIBUTES:
        kind, key, rising = "attribute", _ATTRIBUTES[key], key != "started"
    elif key.startswith("params."):
        kind, key, rising = "param", key.removeprefix("params."), True
    else:
        kind, key = "metric", key.removeprefix("metrics.")
        last = re.split("[/_]", key.removesuffix("_best"))[-1]
        rising = _SMALLER_IS_BETTER.fullmatch(last) is not None
    quoted_key(key)
    return Order(kind, key, direction.lower() == "asc" if direction else rising)


def metric_condition(text: str) -> str:
    """Turn `test/digit_acc>0.9` into MLflow's language.

    Raises:
        ConfigError: If the text does not compare a metric with a finite number.
    """
    found = _COMPARISON.fullmatch(text.strip())
    try:
        value = None if found is None else float(found["value"])
    except ValueError:
        value = None
    if found is None or value is None or value != value or abs(value) == float("inf"):
        raise ConfigError(
            f"the condition {text!r} does not compare a metric with a number; an example is "
            f"'test/digit_acc>0.9'. Use one of > >= < <= = !=."
        )
    sign = "=" if found["sign"] == "==" else found["sign"]
    return f"metrics.{quoted_key(found['name'].strip())} {sign} {found['value']}"


def tag_condition(text: str) -> str:
    """Turn one of a run's `tags` into MLflow's language, or `key=value` for any MLflow tag.

    Raises:
        ConfigError: If the filter language cannot express it.
    """
    key, sign, value = text.partition("=")
    if not sign:
        return f"tags.{quoted_key(f'tag.{text.strip()}')} = 'true'"
    return f"tags.{quoted_key(key.strip())} = {quoted(value.strip())}"


def study_condition(name: str) -> str:
    """Return the condition that a run belongs to a study."""
    return f"tags.`{STUDY_TAG}` = {quoted(name)}"


def kind_condition(kind: str) -> str:
    """Return the condition that a run is of a kind, such as `run`, `evaluation` or `trial`."""
    return f"tags.`{KIND_TAG}` = {quoted(kind)}"


def quoted(value: str) -> str:
    """Return a text as MLflow's filter language writes it.

    Raises:
        ConfigError: If it has both kinds of quotation marks, which the language cannot express.
    """
    mark = '"' if "'" in value else "'"
    if mark in value:
        raise ConfigError(
            f"{value!r} has both kinds of quotation marks; a filter allows only one of them."
        )
    return f"{mark}{value}{mark}"


def quoted_key(key: str) -> str:
    """Return the name of a metric, parameter or tag as MLflow's filter language writes it.

    Raises:
        ConfigError: If MLflow does not allow the name.
    """
    if not _NAME.fullmatch(key):
        raise ConfigError(
            f"{key!r} is not the name of a metric, parameter or tag: a name has only letters, "
            f"digits, spaces and _ - . : /."
        )
    return f"`{key}`"
