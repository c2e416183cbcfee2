"""Read an ablation's file, `studies/ablation/NAME.yaml`, and check each of its keys."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from multihead.balancing.ranges import RANGES
from multihead.studies.definition import PLAIN_NAME, PlainName
from multihead.studies.file import apply_argument, explain, find_file, read_file

GROUP = "ablation"
_MOST_SEEDS = 1000
_FEW = "give two or more different seeds; six or more can reach p < 0.05"
Chosen = Literal["all"] | tuple[str, ...]
UNIFORM = "uniform"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Arm(_Strict):
    """An arm of the comparison: at most one of the first seven keys, and any overrides.

    Attributes:
        heads: The heads of one network; the other heads are left out.
        single_task: One network per head, for all heads or the named ones. Together these networks
            are one arm.
        leave_one_head_out: One arm per head, named `ARM_HEAD`: a network with all other heads.
        pairs: One arm per two heads, named `ARM_HEAD_HEAD`, of all heads or the named ones.
        loss_weights: `uniform`, or a weight by head name; 1 for a head without a weight.
        balancers: One arm per method of `model/balancer`, for all shipped methods or the named
            ones. Each arm is named after its method and tuned separately. `uniform` means static
            weights of 1 that are not searched.
        study: Name of a study whose best trial is this arm.
        overrides: Overrides of the base, in Hydra's grammar.
        space: Additions to the common search space for this arm's tuning, such as loss weights. Not
            with `study`.
        trials: Number of trials of this arm's tuning, if it differs from the common number. Not
            with `study`.
    """

    heads: tuple[str, ...] | None = Field(default=None, min_length=1)
    single_task: Chosen | None = None
    leave_one_head_out: Chosen | None = None
    pairs: Chosen | None = None
    loss_weights: Literal["uniform"] | dict[str, float] | None = None
    balancers: Chosen | None = None
    study: str | None = None
    overrides: tuple[str, ...] = ()
    space: dict[str, Any] = Field(default_factory=dict)
    trials: int | None = Field(default=None, ge=0)

    @property
    def is_several(self) -> bool:
        """Whether this entry of the file creates several arms."""
        return self.leave_one_head_out is not None or self.pairs is not None

    @model_validator(mode="after")
    def _one_kind(self) -> "Arm":
        one = ("heads", "single_task", "loss_weights", "study")
        kinds = (*one, "leave_one_head_out", "pairs", "balancers")
        given = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} cannot be in one arm; give each its own arm")
        if self.study is not None and (self.space or self.trials is not None):
            raise ValueError(
                "an arm with a study has no search of its own; remove space and trials"
            )
        if self.space and self.trials == 0:
            raise ValueError("space is not searched with trials: 0; remove one of the two")
        twice = [name for name in self.heads or () if (self.heads or ()).count(name) > 1]
        if twice:
            raise ValueError(f"heads names {twice[0]!r} twice; name each once")
        return self

    @field_validator("balancers")
    @classmethod
    def _each_once(cls, balancers: Chosen | None) -> Chosen | None:
        if isinstance(balancers, tuple):
            if not balancers or len(set(balancers)) < len(balancers):
                raise ValueError("give all, or a list of different methods")
            for name in balancers:
                if not PLAIN_NAME.fullmatch(name):
                    raise ValueError(f"{name!r} cannot be the name of a choice of model/balancer")
        return balancers

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods of `balancers`; each one is an arm."""
        return tuple(RANGES) if self.balancers == "all" else tuple(self.balancers or ())


class Tuning(_Strict):
    """A search for each arm (for single-task networks: for each head) before any test.

    Attributes:
        trials: Number of trials of each search.
        space: The search space, as in a study.
        objectives: As in a study. They do not depend on loss weights.
        sampler: As in a study.
        pruner: As in a study.
    """

    trials: int = Field(ge=1)
    space: dict[str, Any] = Field(min_length=1)
    objectives: Any = "val/score"
    sampler: Any = "tpe"
    pruner: Any = "none"


class Definition(_Strict):
    """An ablation, from its file and the command line.

    Attributes:
        name: Name of the ablation and of its MLflow experiment.
        experiment: The base: a choice of `experiments/experiment`, or None.
        overrides: Overrides of the base, in Hydra's grammar.
        arms: The arms by name.
        baseline: The arm that the others are compared with.
        seeds: The seeds, the same for every arm. A number n means 1 to n.
        folds: Number of folds, 2 to 1000. Every fold of every seed is then a pair. If None, every
            seed is a pair.
        metrics: Metrics of heads, such as `acc`. If empty, classes are compared by accuracy and
            parameters by mean absolute error.
        workers: Number of worker processes on this machine, 1 to 1024.
        tuning: The search that every arm gets; None if arms are not tuned.
        unequal: The reason why arms get unequal numbers of trials, if they do.
        reuse: Which recorded runs count: those of this `version` of the package, or `any`.
        level: Confidence level of the intervals, above 0.5 and below 1.
    """

    name: PlainName
    experiment: str | None = None
    overrides: tuple[str, ...] = ()
    arms: dict[str, Arm] = Field(min_length=1)
    baseline: str
    seeds: tuple[int, ...]
    folds: int | None = Field(default=None, ge=2, le=_MOST_SEEDS)
    metrics: tuple[str, ...] = ()
    workers: int = Field(default=1, ge=1, le=1024)
    tuning: Tuning | None = None
    unequal: str | None = None
    reuse: Literal["version", "any"] = "version"
    level: float = Field(default=0.95, gt=0.5, lt=1)

    @field_validator("arms", mode="before")
    @classmethod
    def _plain_arms(cls, arms: Any) -> Any:
        if not isinstance(arms, dict):
            raise ValueError("give a mapping from names to arms")
        for name in arms:
            if not PLAIN_NAME.fullmatch(str(name)):
                raise ValueError(f"{name!r} names an arm; use 1 to 80 letters, digits and _ - .")
        return {str(name): arm or {} for name, arm in arms.items()}

    @field_validator("seeds", mode="before")
    @classmethod
    def _counted(cls, seeds: Any) -> Any:
        if type(seeds) is int and seeds > _MOST_SEEDS:
            raise ValueError(f"{seeds:,} seeds are too many; at most {_MOST_SEEDS:,} are possible")
        if type(seeds) is not int and not isinstance(seeds, list | tuple):
            raise ValueError("give the number of seeds, or a list of seeds")
        return list(range(1, seeds + 1)) if type(seeds) is int else seeds

    @field_validator("seeds")
    @classmethod
    def _enough(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if not seeds or len(set(seeds)) < len(seeds):
            raise ValueError(_FEW)
        return seeds

    @model_validator(mode="after")
    def _fits(self) -> "Definition":
        single = [n for name, arm in self.arms.items() for n in arm.methods or (name,)]
        if len(single) < 2 and not any(arm.is_several for arm in self.arms.values()):
            raise ValueError("arms: an ablation needs at least 2 arms")
        if self.baseline not in (*self.arms, *single):
            raise ValueError(f"the baseline {self.baseline!r} is not an arm; arms: {single}")
        several = [n for n, a in self.arms.items() if a.is_several]
        if self.baseline not in single or self.baseline in several:
            raise ValueError("the baseline stands for several arms; choose a single arm")
        if len(self.seeds) < 2 and self.folds is None:
            raise ValueError(f"seeds: {_FEW}")
        if self.tuning is not None and self.folds is not None:
            raise ValueError(
                "tuning and folds cannot be combined, because a search would see images that "
                "folds test; remove one of them"
            )
        if self.tuning is None:
            for name, arm in self.arms.items():
                if arm.space or arm.trials:
                    raise ValueError(
                        f"arm {name!r} has space or trials, but there is no tuning; add "
                        f"tuning: {{trials: ..., space: ...}}, which every arm gets"
                    )
        return self


def load_definition(name: str, arguments: Sequence[str] = ()) -> Definition:
    """Read an ablation's file and apply `key=value` arguments.

    Args:
        name: Name of the file without its ending, or the path of a YAML file.
        arguments: Each sets a key of the ablation. If there is no such key, it is an override of
            the base.

    Raises:
        ConfigError: If a key or a value is wrong. The message names it and what is allowed.
    """
    path = find_file(name, GROUP, "ablation")
    content = read_file(path, "an ablation")
    content["overrides"] = list(content.get("overrides") or [])
    for argument in arguments:
        apply_argument(content, argument, Definition.model_fields)
    return checked(content, path.name)


def checked(content: dict[str, Any], where: str) -> Definition:
    """Return the definition with the given content.

    Args:
        content: The content of the file, with the arguments.
        where: Name of the file, for messages.

    Raises:
        ConfigError: As in `load_definition`.
    """
    try:
        return Definition.model_validate(content)
    except ValidationError as error:
        raise explain(error, where, Definition) from error
