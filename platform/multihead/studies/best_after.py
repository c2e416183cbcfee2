"""The pruner `best_after`: train all trials for some epochs, then only the best ones to the end.

Each trial writes a checkpoint after these epochs and pauses. When all trials have paused or ended,
the rule compares their values at that epoch. Exactly the wanted number of trials goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

from multihead.errors import ConfigError
from multihead.studies.definition import Definition

BEST_AFTER = "best_after"
GOES_ON = "goes_on"  # user attribute of a trial that was among the best


@dataclass(frozen=True)
class BestAfter:
    """The rule that selects trials after their first epochs.

    Attributes:
        epochs: Number of epochs that every trial trains, 1 or more.
        trials: Number of trials that then go on, 1 or more.
        maximize: Whether a higher objective is better.
    """

    epochs: int
    trials: int
    maximize: bool

    def best(self, trials: Sequence[FrozenTrial]) -> set[int]:
        """Return the numbers of the trials that go on or have gone on.

        Of trials with equal values, the earlier one goes on.

        Args:
            trials: All trials of the study. A trial without a value at this epoch is not among the
                best, nor is one that failed before the decision.
        """
        sign = -1 if self.maximize else 1
        values = {
            t.number: sign * t.intermediate_values[self.epochs]
            for t in trials
            if self.epochs in t.intermediate_values
            and (t.state != TrialState.FAIL or GOES_ON in t.user_attrs)
        }
        return set(sorted(values, key=lambda number: (values[number], number))[: self.trials])


def make_best_after(definition: Definition) -> BestAfter | None:
    """Make the rule, or return None if the study has another pruner.

    Raises:
        ConfigError: If arguments are wrong, or the study has several objectives or several seeds
            per trial.
    """
    arguments = {**definition.pruner}
    if arguments.pop("name") != BEST_AFTER:
        return None
    if definition.several:
        raise ConfigError(
            f"pruner {BEST_AFTER} compares one objective, but the study has "
            f"{len(definition.objectives)}; choose dominance or none."
        )
    if definition.seeds > 1:
        raise ConfigError(
            f"pruner {BEST_AFTER} needs one training per trial, but the study has "
            f"seeds={definition.seeds}; set seeds=1, and confirm.seeds to retrain the best trial."
        )
    epochs, trials = arguments.pop("epochs", 1), arguments.pop("trials", None)
    for key, value in (("epochs", epochs), ("trials", trials)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigError(f"pruner {BEST_AFTER}: {key} is {value!r}; give an integer above 0.")
    if arguments:
        raise ConfigError(
            f"pruner {BEST_AFTER} has no argument {next(iter(arguments))!r}; its arguments are "
            f"epochs and trials."
        )
    (direction,) = definition.objectives.values()
    return BestAfter(epochs, trials, direction == "maximize")


def check_epochs(rule: BestAfter | None, epochs: int | None, every: int | None) -> None:
    """Check that the rule decides before the last epoch, and at an epoch with a validation.

    Args:
        rule: The study's rule, or None.
        epochs: Number of epochs that the base trains.
        every: Number of epochs between validations of the base.

    Raises:
        ConfigError: Otherwise. The message gives both numbers.
    """
    if rule is None:
        return
    if epochs is not None and 0 <= epochs <= rule.epochs:
        raise ConfigError(
            f"pruner {BEST_AFTER} decides after {rule.epochs} epochs, but the base trains "
            f"{epochs}; raise trainer.max_epochs, or lower pruner.epochs."
        )
    if every is not None and rule.epochs % every:
        raise ConfigError(
            f"pruner {BEST_AFTER} decides after {rule.epochs} epochs, but the base validates every "
            f"{every} epochs only; set trainer.check_val_every_n_epoch=1, or pruner.epochs to a "
            f"multiple of {every}."
        )


def best_after_notes(rule: BestAfter | None, definition: Definition) -> list[str]:
    """Return notes on the rule for the user."""
    if rule is None:
        return []
    notes = []
    if rule.trials >= definition.n_trials:
        notes.append(
            f"pruner {BEST_AFTER} stops nothing: {rule.trials} of {definition.n_trials} trials go "
            f"on"
        )
    if definition.sampler["name"] not in ("random", "qmc", "grid"):
        notes.append(
            f"with pruner {BEST_AFTER} no trial ends before all have paused, so the sampler has no "
            f"results and draws at random; sampler qmc covers a space of numbers more evenly"
        )
    return notes
