"""Measure a network with given weights, on the validation split and on the test split."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

from torch import Tensor, nn

from multihead.errors import ConfigError
from multihead.runs.build import Parts, build
from multihead.runs.log_filters import quiet_libraries
from multihead.studies.definition import Definition
from multihead.training.metrics import shortest
from multihead.training.weight_average import needs_statistics, recompute_statistics


class HasWeights(Protocol):
    """An ingredient of an average."""

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """The network's weights, by parameter name."""


class Figures:
    """Measures a study's network with different weights.

    Args:
        definition: Names the objectives.
        config: Configuration of the study's best trial, set to test its checkpoint.
        record: Our module's record in that checkpoint. Images are normalised with its mean and std.
        opened: Data that are already read.

    Attributes:
        parts: Module, data and trainer. Nothing of them is recorded in MLflow.
        net: The network.
    """

    def __init__(
        self,
        definition: Definition,
        config: Mapping[str, Any],
        record: Mapping[str, Any],
        opened: dict[str, Any],
    ) -> None:
        self.definition = definition
        with quiet_libraries():
            self.parts: Parts = build(config, opened=opened)
        self.parts.data.normalise_all_as(record["mean"], record["std"])
        self.net = cast(nn.Module, self.parts.module.net)

    def completed(
        self, weights: Mapping[str, Tensor], made_of: Sequence[HasWeights]
    ) -> dict[str, Tensor]:
        """Return averaged weights, with batch norm statistics recomputed where that is needed."""
        net, trainer = self.net, self.parts.trainer
        net.load_state_dict(weights)
        if needs_statistics(net, [each.weights for each in made_of]):
            batches = self.parts.data.train_dataloader()
            recompute_statistics(net, batches, trainer.strategy.root_device)
        return {name: value.detach().clone() for name, value in net.state_dict().items()}

    def validated(self, weights: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the validation metrics, `val/...`."""
        parts = self.parts
        self.net.load_state_dict(weights)
        parts.module.best = {}  # otherwise it keeps the best values of earlier measurements
        with quiet_libraries():
            found = parts.trainer.validate(parts.module, parts.data, verbose=False)
        return _figures(found)

    def tested(self, weights: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the test metrics, `test/...`."""
        parts = self.parts
        self.net.load_state_dict(weights)
        with quiet_libraries():
            return _figures(parts.trainer.test(parts.module, parts.data, verbose=False))

    def objectives(
        self, weights: Mapping[str, Tensor], made_of: Sequence[HasWeights]
    ) -> list[float]:
        """Return the objectives of an average. Those to minimize are negated: higher is better.

        Raises:
            ConfigError: If a validation alone does not measure an objective.
        """
        found = self.validated(self.completed(weights, made_of))
        values = []
        for name, direction in self.definition.objectives.items():
            if name not in found:
                raise ConfigError(
                    f"objective {name} is not measured by a validation alone, so --greedy cannot "
                    f"use it; leave --greedy out."
                )
            values.append(found[name] if direction == "maximize" else -found[name])
        return values


def _figures(found: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    first = found[0] if found else {}
    return {n: shortest(v) for n, v in first.items() if "/" in n}
