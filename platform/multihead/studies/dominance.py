"""Prune trials with several objectives, which Optuna's pruners cannot do.

A trial is stopped at a step if at least `n_dominators` other trials dominate it there. A trial
dominates another if it is better in every objective by at least `margin` times the spread of that
objective among the trials at this step. A trial that is worse in one objective only, or slightly
worse in all, goes on, since it may still reach the Pareto front.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from multihead.errors import ConfigError
from multihead.studies.definition import Direction

Steps = Mapping[int, Sequence[float]]


class DominancePruner:
    """Stop a trial that enough others dominate by a margin.

    Args:
        directions: Directions of the objectives.
        n_dominators: Number of trials that must dominate it, 1 or more.
        margin: Fraction of the spread (largest minus smallest value), 0 or more.
        n_startup_trials: Number of other trials that must have a value at the step, 1 or more.
        n_warmup_steps: No trial is stopped in the first so many steps, 0 or more.

    Raises:
        ConfigError: If a number is outside its range.
    """

    def __init__(
        self,
        directions: Sequence[Direction],
        n_dominators: int = 3,
        margin: float = 0.1,
        n_startup_trials: int = 5,
        n_warmup_steps: int = 1,
    ) -> None:
        if min(n_dominators, n_startup_trials) < 1 or min(margin, n_warmup_steps) < 0:
            raise ConfigError(
                f"pruner dominance: n_dominators is {n_dominators}, n_startup_trials "
                f"{n_startup_trials} (1 or more), margin {margin}, n_warmup_steps "
                f"{n_warmup_steps} (0 or more)."
            )
        self.signs = np.array([1.0 if d == "maximize" else -1.0 for d in directions])
        self.n_dominators, self.margin = n_dominators, margin
        self.n_startup_trials, self.n_warmup_steps = n_startup_trials, n_warmup_steps

    def reason(self, step: int, own: Sequence[float], others: Sequence[Steps]) -> str | None:
        """Return why a trial must stop, or None.

        Args:
            step: The step of the values, counted from 1.
            own: The trial's values at the step, one per objective.
            others: The values of each other trial, by step.
        """
        there = [steps[step] for steps in others if step in steps]
        if step <= self.n_warmup_steps or len(there) < self.n_startup_trials:
            return None
        values: NDArray[np.float64] = np.array([*there, own], dtype=float) * self.signs
        values = values[np.isfinite(values).all(1)]
        spread = values.max(0) - values.min(0)
        better = values[:-1] - values[-1] >= self.margin * spread
        count = int((better.all(1) & (values[:-1] > values[-1]).any(1)).sum())
        if count < self.n_dominators:
            return None
        return f"{count} trials dominate it at step {step} by {self.margin:g} times the spread"
