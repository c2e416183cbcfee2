"""An ablation is a file: `studies/ablation/NAME.yaml`, checked here key by key."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from multihead.balancing.ranges import RANGES
from multihead.studies.definition import PLAIN_NAME, PlainName
from multihead.studies.file import apply_argument, explain, find_file, read_file

GROUP = "ablation"
_MOST_SEEDS = 1000
_FEW = "differences need two seeds or more, each once; six can reach p < 0.05"
Chosen = Literal["all"] | tuple[str, ...]
UNIFORM = "uniform"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Arm(_Strict):
    """One side of the comparison: at most one of the first six keys, and any overrides.

    Attributes:
        heads: Those of one network, which leaves the others out.
        single_task: One network per head, for all heads or those named; together they are an arm.
        leave_one_head_out: One arm per head, `ARM_HEAD`, of a network with all other heads.
        pairs: One arm per two heads, `ARM_HEAD_HEAD`, of all heads or of those named.
        loss_weights: `uniform`, or a weight by head name; 1 for a head without one.
        balancers: One arm per method of `model/balancer`, named after it and tuned by itself: all
            shipped ones or those named. `uniform` is static weights that are not searched.
        study: Name of a study whose best trial this is.
        overrides: Of the base, in Hydra's grammar.
        space: What this arm's tuning searches beside the common space, such as loss weights.
        trials: Of this arm's tuning, where that is unequal.
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
        """Whether the key of the file makes several arms."""
        return self.leave_one_head_out is not None or self.pairs is not None

    @model_validator(mode="after")
    def _one_kind(self) -> "Arm":
        one = ("heads", "single_task", "loss_weights", "study")
        kinds = (*one, "leave_one_head_out", "pairs", "balancers")
        given = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are two arms; give each its own")
        twice = [name for name in self.heads or () if (self.heads or ()).count(name) > 1]
        if twice:
            raise ValueError(f"heads names {twice[0]!r} twice; name each once")
        return self

    @field_validator("balancers")
    @classmethod
    def _each_once(cls, balancers: Chosen | None) -> Chosen | None:
        if isinstance(balancers, tuple):
            if not balancers or len(set(balancers)) < len(balancers):
                raise ValueError("give all, or a list of methods, each once")
            for name in balancers:
                if not PLAIN_NAME.fullmatch(name):
                    raise ValueError(f"{name!r} is no name of a choice of model/balancer")
        return balancers

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods of `balancers`, each of which is an arm of its own."""
        return tuple(RANGES) if self.balancers == "all" else tuple(self.balancers or ())


class Tuning(_Strict):
    """A search for each arm (single-task: for each head), before anything is tested.

    Attributes:
        trials: Of each search.
        space: What is searched, as in a study.
        objectives: As in a study; free of loss weights.
        sampler: As in a study.
        pruner: As in a study.
    """

    trials: int = Field(ge=1)
    space: dict[str, Any] = Field(min_length=1)
    objectives: Any = "val/score"
    sampler: Any = "tpe"
    pruner: Any = "none"


class Definition(_Strict):
    """An ablation as its file and the command line say it.

    Attributes:
        name: Of the ablation, and of its MLflow experiment.
        experiment: The base: a choice of `experiments/experiment`, or none.
        overrides: Of the base, in Hydra's grammar.
        arms: By name.
        baseline: The arm that the others are compared with.
        seeds: Given as a number n, 1 to n; the same for every arm.
        folds: Number of folds, each of which is a pair for each seed; none if pairs are seeds.
        metrics: Of heads, such as `acc`; the accuracy of classes and the mean absolute error of
            parameters if none.
        workers: Processes on this machine.
        tuning: The search that every arm gets; none if arms are trained as they are.
        unequal: Why arms get unequal numbers of trials, if they do.
        reuse: Which runs on record count: those of this `version` of the package, or `any`.
        level: Of the intervals.
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
            raise ValueError("give arms by name")
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
            raise ValueError("give the number of seeds, or a list of them")
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
            raise ValueError("arms: an ablation compares at least 2")
        if self.baseline not in (*self.arms, *single):
            raise ValueError(f"the baseline {self.baseline!r} is no arm; arms: {single}")
        several = [n for n, a in self.arms.items() if a.is_several]
        if self.baseline not in single or self.baseline in several:
            raise ValueError("the baseline is several arms; choose one that is a single arm")
        if len(self.seeds) < 2 and self.folds is None:
            raise ValueError(f"seeds: {_FEW}")
        if self.tuning is not None and self.folds is not None:
            raise ValueError(
                "tuning and folds do not go together: a search would see images that folds test; "
                "remove one"
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
        name: Of the file, without its ending, or the path of a YAML file.
        arguments: A key of the ablation, or, where it is none, an override of the base.

    Raises:
        ConfigError: Naming the key, the nearest valid one, or the value and what is allowed.
    """
    path = find_file(name, GROUP, "ablation")
    content = read_file(path, "an ablation")
    content["overrides"] = list(content.get("overrides") or [])
    for argument in arguments:
        apply_argument(content, argument, Definition.model_fields)
    return checked(content, path.name)


def checked(content: dict[str, Any], where: str) -> Definition:
    """Return the definition that some content is.

    Raises:
        ConfigError: As `load_definition` says.
    """
    try:
        return Definition.model_validate(content)
    except ValidationError as error:
        raise explain(error, where, Definition) from error
