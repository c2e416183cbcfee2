"""A run's configuration in typed sections: taken apart once, where it is composed or read.

What a section's target is called with stays a mapping, its `node`, which only `runs.build` makes
objects of. What this package reads by name is an attribute. The record needs the whole as it was
composed, `composed`: it is written, hashed and flattened, and nothing else reads from it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from multihead import settings
from multihead.data.datamodule import LOADER_SETTINGS
from multihead.data.source_function import options_of
from multihead.runs.limits import why_no_validation
from multihead.runs.schema import check_config, locate, with_whole_numbers
from multihead.tracking.store import Store

Node = Mapping[str, Any]  # a `_target_` and its arguments


@dataclass(frozen=True)
class RunSection:
    """What a run does, and what it is called: the keys at the top of its configuration.

    Attributes:
        train: Whether it trains.
        test: Whether it reads the test split.
        ckpt_path: The checkpoint to go on from or to evaluate, or None.
        seed: Of everything random.
        name: In MLflow; None to make one.
        tags: The user's words.
        optimized_metric: What a sweeper sees, or None.
    """

    train: bool
    test: bool
    ckpt_path: str | None
    seed: int
    name: str | None
    tags: tuple[str | int | float | bool, ...]
    optimized_metric: str | None


@dataclass(frozen=True)
class DataSection:
    """Which images and labels, and how they are split and loaded.

    Attributes:
        node: The DataModule and its arguments.
    """

    node: Node

    @property
    def batch_size(self) -> int | None:
        """Samples of a step, on all devices together; None for the DataModule's own."""
        return self.node.get("batch_size")

    @property
    def files(self) -> str:
        """The same text for all sections that read the same samples, however they are loaded."""
        source = self.node.get("source") or {}
        # A source function may divide its files itself, by settings that are else the loader's.
        own = options_of(locate(source["_target_"], "data.source")) if "_target_" in source else {}
        same = {k: v for k, v in self.node.items() if k not in LOADER_SETTINGS or k in own}
        return json.dumps(same, sort_keys=True)


@dataclass(frozen=True)
class ModelSection:
    """The network and how it learns.

    Attributes:
        node: The LightningModule and its arguments.
    """

    node: Node

    @property
    def net(self) -> Node:
        """The network and its arguments."""
        net: Node = self.node["net"]
        return net

    @property
    def starts_from_weights(self) -> bool:
        """Whether the network starts from weights of others, for which images are normalised."""
        return bool(self.node.get("init_from") or self.net.get("pretrained"))

    @property
    def learning_rate(self) -> float | None:
        """The optimizer's, before it is scaled with the batch; None for the optimizer's own."""
        rate: float | None = self.node["optimizer"].get("lr")
        return rate

    @property
    def scheduler(self) -> str:
        """The name of the scheduler's class; empty for none."""
        return str((self.node.get("scheduler") or {}).get("_target_", ""))

    @property
    def metrics(self) -> Mapping[str, Any]:
        """What is chosen by head name."""
        return self.node.get("metrics") or {}

    @property
    def takes_heads_of_data(self) -> bool:
        """Whether the heads are those of the data."""
        return bool(self.node.get("auto_configure_from_dataset", True))


@dataclass(frozen=True)
class TrainerSection:
    """How long to train, on which devices, and how exactly.

    Attributes:
        node: Lightning's trainer and its arguments.
    """

    node: Node

    @property
    def strategy(self) -> object:
        """`auto` for one device, `ddp` or `fsdp`; what else was given is refused later."""
        return self.node.get("strategy", "auto")

    @property
    def accelerator(self) -> str:
        """Such as `cpu`, or `auto`."""
        return str(self.node.get("accelerator", "auto"))

    @property
    def devices(self) -> object:
        """A number, a list of them, or `auto`."""
        return self.node.get("devices", "auto")

    @property
    def machines(self) -> object:
        """A number of them; more than one is refused."""
        return self.node.get("num_nodes", 1)

    @property
    def precision(self) -> str | int | None:
        """As Lightning takes it; None where the device decides."""
        precision: str | int | None = self.node.get("precision")
        return None if precision == "auto" else precision

    @property
    def tries_only(self) -> bool:
        """Whether a few batches are tried and nothing is recorded."""
        return bool(self.node.get("fast_dev_run"))

    @property
    def validates(self) -> bool:
        """Whether any validation batch is read."""
        return why_no_validation(self.node) is None


@dataclass(frozen=True)
class LoggerSection:
    """Where a run is recorded.

    Attributes:
        experiment_name: In MLflow.
        tracking_uri: Of the store; None for the default one.
    """

    experiment_name: str
    tracking_uri: str | None


@dataclass(frozen=True)
class RunConfig:
    """A run's configuration.

    Attributes:
        run: What is done.
        data: On which samples.
        model: With which network.
        trainer: How.
        callbacks: Further objects of the training, by name.
        logger: Where it is recorded.
        home: The folder of runs, as it was typed.
        composed: All of it in plain types, for the record.
    """

    run: RunSection
    data: DataSection
    model: ModelSection
    trainer: TrainerSection
    callbacks: Mapping[str, Node]
    logger: LoggerSection
    home: str
    composed: Mapping[str, Any]

    @classmethod
    def of(cls, composed: Mapping[str, Any]) -> "RunConfig":
        """Take a configuration apart whose keys at the top have been checked."""
        names = ("train", "test", "ckpt_path", "seed", "name", "optimized_metric")
        callbacks = composed["callbacks"] or {}
        return cls(
            run=RunSection(tags=tuple(composed["tags"]), **{n: composed[n] for n in names}),
            data=DataSection(composed["data"]),
            model=ModelSection(composed["model"]),
            trainer=TrainerSection(composed["trainer"]),
            callbacks={name: node for name, node in callbacks.items() if node is not None},
            logger=LoggerSection(**composed["logger"]),
            home=composed["paths"]["home"],
            composed=composed,
        )

    @classmethod
    def checked(cls, composed: Mapping[str, Any]) -> "RunConfig":
        """Check a configuration in plain types, and take it apart.

        Raises:
            ConfigError: Naming the key, the nearest valid one, or the value and what is allowed.
        """
        check_config(composed)
        return cls.of(with_whole_numbers(composed))

    @property
    def places(self) -> dict[str, Any]:
        """What records of studies and ablations have of the configuration of their trainings."""
        return {key: self.composed[key] for key in ("logger", "paths")}

    def store(self) -> Store:
        """Return where its runs are recorded."""
        return Store(self.logger.tracking_uri, settings.home_folder(self.home))

    def with_precision(self, precision: str) -> "RunConfig":
        """Return it with a precision in place of the one that the device would decide."""
        trainer = {**self.trainer.node, "precision": precision}
        composed = {**self.composed, "trainer": trainer}
        return replace(self, trainer=TrainerSection(trainer), composed=composed)
