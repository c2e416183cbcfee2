"""The definition of a study, `studies/search/NAME.yaml`, and the checks of its keys."""

import json
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from multihead.errors import ConfigError
from multihead.metrics.registry import is_known, metric_of
from multihead.runs.columns import rooted
from multihead.settings import study_storage
from multihead.studies.engines.choice import EngineChoice, LocalChoice
from multihead.studies.file import apply_argument, explain, find_file, read_file

GROUP = "search"
Direction = Literal["maximize", "minimize"]
PLAIN_NAME = re.compile(r"[A-Za-z0-9][\w\-.]{0,79}", re.ASCII)


def _plain(name: str) -> str:
    if not PLAIN_NAME.fullmatch(name):
        raise ValueError("a name is 1 to 80 letters, digits and any of _ - .")
    return name


PlainName = Annotated[str, AfterValidator(_plain)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Confirm(_Strict):
    """Retraining of the best trial on seeds that the search never used, each tested once."""

    seeds: int = Field(default=0, ge=0, le=1000)


class Devices(_Strict):
    """The devices of each worker. A plain number in the file is the number of GPUs.

    Attributes:
        gpu: Number of GPUs, 0 or more. Below 1, several workers share a GPU and each may use that
            fraction of its memory. With 0, workers see no GPU.
        cpu: Number of cores. If None, each worker gets an equal share of the machine's cores.
    """

    gpu: float = Field(default=1, ge=0)
    cpu: int | None = Field(default=None, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _number_of_gpus(cls, value: Any) -> Any:
        return {"gpu": value} if isinstance(value, int | float) else value


class Definition(_Strict):
    """A study, as its file and the command line define it.

    Attributes:
        name: Name of the study in the storage, and of its MLflow experiment.
        experiment: The base: a preset of `experiments/experiment`, or None.
        overrides: Overrides of the base, in Hydra's grammar.
        space: What is searched, by override path; see `space_file`.
        objectives: Direction by metric. The values are those of the epoch of best.ckpt.
        sampler: `name` and arguments of the sampler.
        pruner: `name` and arguments of the pruner.
        n_trials: Number of trials that end COMPLETE, PRUNED or FAIL, over all workers and resumes.
        minutes: No trial starts more than this many minutes after the command. No limit if None.
        patience: The study stops after this many trials without improvement; never if None.
        seeds: Trainings per trial. The objective is their mean.
        workers: Number of worker processes, on this machine or on the engine's machines.
        engine: What starts the workers.
        devices_per_worker: GPUs of each worker, or GPUs and cores.
        retries: How often a trial is retried after its worker died.
        hung_after: A worker counts as hung after this many seconds without a batch.
        keep: How many of the best trials keep their checkpoints; all if None.
        defaults: Whether trial 0 is the base itself.
        enqueue: The first trials: parameters by path, or ids of earlier runs.
        confirm: The retraining of the best trial after the search.
        storage: URL of the database. If None, it is an SQLite file in `MULTIHEAD_HOME`.
    """

    name: PlainName
    experiment: str | None = None
    overrides: tuple[str, ...] = ()
    space: dict[str, Any] = Field(min_length=1)
    objectives: dict[str, Direction] = Field(min_length=1)
    sampler: dict[str, Any] = Field(default_factory=lambda: {"name": "tpe"})
    pruner: dict[str, Any] = Field(default_factory=lambda: {"name": "none"})
    n_trials: int = Field(ge=1, le=1_000_000)
    minutes: float | None = Field(default=None, gt=0)
    patience: int | None = Field(default=None, ge=1)
    seeds: int = Field(default=1, ge=1, le=1000)
    workers: int = Field(default=1, ge=1, le=1024)
    engine: EngineChoice = LocalChoice()
    devices_per_worker: Devices = Devices()
    retries: int = Field(default=3, ge=0)
    hung_after: float = Field(default=600, gt=0)
    keep: int | None = Field(default=None, ge=0)
    defaults: bool = True
    enqueue: tuple[dict[str, Any] | str, ...] = ()
    confirm: Confirm = Confirm()
    storage: str | None = None

    @field_validator("engine", mode="before")
    @classmethod
    def _named_engine(cls, value: Any) -> Any:
        if not isinstance(value, str | dict | BaseModel):
            raise ValueError("give local, ray or submitit, or {name: ..., and its settings}")
        return {"name": value} if isinstance(value, str) else value

    @field_validator("sampler", "pruner", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        if value is None or value is False:
            return {"name": "none"}
        if isinstance(value, str):
            return {"name": value}
        if not isinstance(value, dict) or not isinstance(value.get("name"), str):
            raise ValueError("give a name, or {name: ..., and its arguments}")
        return value

    @field_validator("objectives", mode="before")
    @classmethod
    def _directed(cls, value: Any) -> Any:
        metrics = [value] if isinstance(value, str) else value
        if isinstance(metrics, list | tuple):
            return {str(metric): direction_of(str(metric)) for metric in metrics}
        if not isinstance(metrics, dict):
            raise ValueError("give a metric, a list of metrics, or {metric: maximize}")
        return metrics

    @property
    def several(self) -> bool:
        """Whether there are several objectives, so that the result is a Pareto front."""
        return len(self.objectives) > 1

    @property
    def storage_url(self) -> str:
        """The URL of the database that the study is in."""
        return self.storage or study_storage()

    @property
    def base(self) -> list[str]:
        """The overrides that compose the base. They include test=false, so no trial is tested."""
        chosen = [] if self.experiment is None else [f"experiment={self.experiment}"]
        named = [f"logger.experiment_name={self.name}"]
        return [*chosen, *named, *self.overrides, "test=false"]

    def identity(self) -> dict[str, Any]:
        """Return the keys that must not change on a resume, with their values.

        Budget, workers, engine, storage and what follows the search may change.
        """
        free = {"n_trials", "minutes", "patience", "workers", "devices_per_worker", "retries"}
        free |= {"engine", "hung_after", "keep", "confirm", "storage"}
        return self.model_dump(mode="json", exclude=free)

    def fingerprint(self) -> str:
        """Return the SHA-256 of the identity, in hexadecimal."""
        return sha256(json.dumps(self.identity(), sort_keys=True).encode()).hexdigest()


def direction_of(metric: str) -> Direction:
    """Return whether more of a metric is better, from its name.

    Raises:
        ValueError: If the name does not tell.
    """
    try:
        return "maximize" if metric_of(metric).higher_is_better else "minimize"
    except ConfigError as error:
        raise ValueError(
            f"{metric} does not tell its direction; write {{{metric}: maximize}}"
        ) from error


def load_definition(name: str, arguments: Sequence[str] = ()) -> Definition:
    """Read a study's file and apply `key=value` arguments.

    Args:
        name: Of the file, without its ending, or the path of a YAML file.
        arguments: Each sets a key of the study. If its key is no key of a study, it is an override
            of the base.

    Raises:
        ConfigError: Naming the key, the nearest valid one, or the value and what is allowed.
    """
    path = find_file(name, GROUP, "study")
    return _with(read_file(path, "a study"), arguments, path.name)


def changed(definition: Definition, arguments: Sequence[str]) -> Definition:
    """Return the stored definition of a study with further `key=value` arguments applied.

    Raises:
        ConfigError: See `load_definition`.
    """
    new = [argument for argument in arguments if rooted(argument) not in definition.overrides]
    return _with(definition.model_dump(mode="json"), new, definition.name)


def _with(content: dict[str, Any], arguments: Sequence[str], where: str) -> Definition:
    content["overrides"] = list(content.get("overrides") or [])
    for argument in arguments:
        apply_argument(content, argument, Definition.model_fields)
    _learn_metrics(content)
    try:
        return Definition.model_validate(content)
    except ValidationError as error:
        raise explain(error, where, Definition) from error


def _learn_metrics(content: Mapping[str, Any]) -> None:
    """Register the base's own metrics if an objective without a direction may be one of them."""
    objectives = content.get("objectives")
    named = [objectives] if isinstance(objectives, str) else objectives
    if not isinstance(named, list) or all(is_known(str(metric)) for metric in named):
        return
    from multihead.runs.build import learn_metrics  # imports torch, which few studies need here
    from multihead.runs.config import Base
    from multihead.runs.sections import ModelSection

    experiment, overrides = content.get("experiment"), content["overrides"]
    chosen = [] if experiment is None else [f"experiment={experiment}"]
    try:
        base = Base([*chosen, *map(str, overrides)], Definition.model_fields).variant({})
        learn_metrics(ModelSection(base["model"]))
    except ConfigError:
        return  # `check` reports why the base does not compose
