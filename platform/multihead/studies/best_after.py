"""Some epochs for every trial, then only the best of them to the end.

A trial pauses after these epochs, with its checkpoint. Only when no other is left to reach that
point is it decided, from the values there, which of them go on; so it is exactly as many as wanted.
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
    """The rule.

    Attributes:
        epochs: That every trial trains.
        trials: How many of all then go on.
        maximize: Whether more of the objective is better.
    """

    epochs: int
    trials: int
    maximize: bool

    def best(self, trials: Sequence[FrozenTrial]) -> set[int]:
        """Return the numbers of the trials that go on, or have done so; of equals the earlier one.

        Args:
            trials: All of the study. One without a value after these epochs is not among the best,
                nor is one that failed before it was decided.
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
    """Make the rule, if the study has it.

    Raises:
        ConfigError: For wrong arguments, several objectives, or several trainings per trial.
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
            f"pruner {BEST_AFTER} compares trials within their one training, but the study has "
            f"seeds={definition.seeds}; set seeds=1, and confirm.seeds for the best one."
        )
    epochs, trials = arguments.pop("epochs", 1), arguments.pop("trials", None)
    for key, value in (("epochs", epochs), ("trials", trials)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigError(f"pruner {BEST_AFTER}: {key} is {value!r}; give an integer above 0.")
    if arguments:
        raise ConfigError(
            f"pruner {BEST_AFTER} has no argument {next(iter(arguments))!r}; it has epochs and "
            f"trials."
        )
    (direction,) = definition.objectives.values()
    return BestAfter(epochs, trials, direction == "maximize")


def check_epochs(rule: BestAfter | None, epochs: int | None, every: int | None) -> None:
    """Refuse a rule under which there is nothing to decide, or no value to decide by.

    Args:
        rule: Of the study, if it has it.
        epochs: That the base trains.
        every: Epochs from one validation of the base to the next.

    Raises:
        ConfigError: Naming both numbers.
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
    """Return what a person should know of the rule in this study."""
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
            f"with pruner {BEST_AFTER} no trial ends before all have trained, so the sampler draws "
            f"at random; qmc covers a space of numbers more evenly"
        )
    return notes
