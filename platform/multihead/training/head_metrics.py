"""The metrics of each head: the defaults of its kind, or those that `model.metrics` names."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from multihead.errors import ConfigError
from multihead.heads import Head, Heads
from multihead.heads.readout import Readouts
from multihead.metrics import registry
from multihead.metrics.loss import LOSS
from multihead.metrics.metric import Metric
from multihead.metrics.own import own

# The name of a shipped metric, a metric of `multihead.metrics.own`, a torchmetrics object or a
# function.
Chosen = str | Metric | Callable[..., Any]


class HeadMetrics:
    """The metrics of every head, and the predictions that some of them need.

    Args:
        heads: The heads of the network.
        chosen: By head name; a head that is not named gets the default metrics of its kind.
        memory_mb: Memory limit for the predictions of a split, in MB of 10**6 bytes.

    Raises:
        ConfigError: For an unknown head or a metric that it does not have.
    """

    def __init__(
        self,
        heads: Heads,
        chosen: Mapping[str, Sequence[Chosen]] | None = None,
        memory_mb: float = 1000,
    ) -> None:
        chosen = chosen or {}
        for name in chosen:
            if name not in heads:
                raise ConfigError(
                    f"model.metrics names head {name!r}, but the network has {list(heads)}; "
                    f"remove it."
                )
        self.heads, self.memory_mb = heads, memory_mb
        self.of_head = {n: _metrics(head, chosen.get(n)) for n, head in heads.items()}
        for metrics in self.of_head.values():
            registry.join(metrics)
        self._kept: dict[str, list[tuple[Tensor, Tensor]]] = {n: [] for n in self.of_whole}

    @property
    def of_whole(self) -> list[str]:
        """The heads with a metric that needs all predictions of an evaluation."""
        return [n for n, metrics in self.of_head.items() if any(m.of_predictions for m in metrics)]

    def names(self, head: str, split: str) -> list[str]:
        """Return the metrics logged for a head in a split, without its name, such as `acc`."""
        return [m.name for m in self.of_head[head] if m.of_means or split != "train"]

    def judge(self, head: str) -> Metric:
        """Return the validation metric that decides which epoch is best for a head."""
        return registry.judging(self.names(head, "val")) or LOSS

    def check_memory(self, samples: Mapping[str, int]) -> None:
        """Check that the predictions of each evaluated split fit into the memory limit.

        Args:
            samples: Number of samples by split.

        Raises:
            ConfigError: If a split is too large; the message names the first one.
        """
        heads = [self.heads[name] for name in self.of_whole]
        labels = (head.kind.label_shape(head) for head in heads)  # scalar labels count as 0
        width = sum(head.outputs for head in heads) + sum(map(sum, labels))
        for split, count in samples.items():
            needed = count * width * 4 / 1e6
            if needed > self.memory_mb:
                raise ConfigError(
                    f"the metrics of {', '.join(self.of_whole)} would keep {needed:,.0f} MB of "
                    f"predictions of {split}, but model.predictions_mb allows {self.memory_mb:g}; "
                    f"raise it, or choose other metrics in model.metrics."
                )

    def reset(self) -> None:
        """Discard all kept predictions."""
        self._kept = {name: [] for name in self._kept}

    def add(
        self,
        outputs: Mapping[str, Tensor],
        labels: Mapping[str, Tensor],
        incomplete: Collection[str] = (),
    ) -> None:
        """Keep one evaluated batch of outputs [B, K] and labels [B, ...] by head name."""
        for name, kept in self._kept.items():
            given, true = outputs[name], labels[name]
            if name in incomplete:
                true, given = self.heads[name].kind.labelled(true, given)
            kept.append((given, true))

    def read(self, readouts: Readouts) -> dict[str, dict[str, float]]:
        """Return the metrics of all kept predictions, by head and metric, and discard these.

        A metric that is NaN, such as a correlation with a constant, is left out.

        Raises:
            ConfigError: If a metric cannot be computed on the predictions and labels.
        """
        found: dict[str, dict[str, float]] = {}
        for name, kept in self._kept.items():
            if kept and sum(len(labels) for _, labels in kept):
                outputs, labels = (torch.cat(parts) for parts in zip(*kept, strict=True))
                found[name] = self._read(name, readouts, outputs, labels)
        self.reset()
        return found

    def _read(
        self, name: str, readouts: Readouts, outputs: Tensor, labels: Tensor
    ) -> dict[str, float]:
        head = self.heads[name]
        with torch.no_grad():
            given, true = head.kind.judged(head, readouts[name], outputs, labels)
        found = {}
        for metric in self.of_head[name]:
            if metric.of_predictions is not None:
                try:
                    found[metric.name] = float(metric.of_predictions(given, true))
                except (ValueError, TypeError, RuntimeError, IndexError) as error:
                    raise ConfigError(
                        f"metric {metric.name!r} of head {name!r} cannot be measured on "
                        f"predictions {list(given.shape)} and labels {list(true.shape)}: {error}"
                    ) from error
        return {name: value for name, value in found.items() if not math.isnan(value)}


def _metrics(head: Head, chosen: Sequence[Chosen] | None) -> tuple[Metric, ...]:
    of_means, evaluated = head.kind.metrics(head), head.kind.evaluated_metrics(head)
    shipped = (*of_means, *evaluated)
    if chosen is None:
        return (*shipped[:1], LOSS, *shipped[1:])
    if isinstance(chosen, str) or not isinstance(chosen, Sequence):
        raise ConfigError(f"model.metrics.{head.name} is {chosen!r}; give a list, such as [acc].")
    known = {metric.name: metric for metric in (*shipped, LOSS, *head.kind.further_metrics(head))}
    found: dict[str, Metric] = {}
    for each in chosen:
        if isinstance(each, str) and each not in known:
            raise ConfigError(
                f"model.metrics.{head.name} has {each!r}; a {head.kind.name} has "
                f"{', '.join(known)}, or name a function or a torchmetrics class by _target_."
            )
        metric = known[each] if isinstance(each, str) else each
        metric = metric if isinstance(metric, Metric) else own(metric)
        found[metric.name] = metric
    # The loss is always logged, because {split}/loss is computed from it.
    return tuple(found.values()) if LOSS.name in found else (*found.values(), LOSS)
