"""A run's configuration in typed sections.

Each section keeps the arguments of its target as a mapping, `node`; only `runs.build` makes objects
from it. Values that this package reads are attributes. The whole configuration, `composed`, is used
only for the record: to be written, hashed and flattened.
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
    """The top-level keys of a configuration.

    Attributes:
        train: Whether the run trains.
        test: Whether the run reads the test split.
        ckpt_path: The checkpoint to resume from or to evaluate, or None.
        seed: Seed of all random numbers.
        name: Name in MLflow; None to make one.
        tags: The user's tags.
        optimized_metric: The metric that a sweeper optimizes, or None.
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
    """The images and labels, and how they are split and loaded.

    Attributes:
        node: The DataModule and its arguments.
    """

    node: Node

    @property
    def batch_size(self) -> int | None:
        """Batch size of all devices together; None for the DataModule's default."""
        return self.node.get("batch_size")

    @property
    def files(self) -> str:
        """A text that is equal for all sections that read the same samples.

        It does not depend on loader settings such as the number of workers.
        """
        source = self.node.get("source") or {}
        # A source function may have settings of the loader among its own arguments.
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
        """Whether the network starts from given weights, for which images are normalised."""
        return bool(self.node.get("init_from") or self.net.get("pretrained"))

    @property
    def learning_rate(self) -> float | None:
        """The learning rate before batch scaling; None for the optimizer's default."""
        rate: float | None = self.node["optimizer"].get("lr")
        return rate

    @property
    def scheduler(self) -> str:
        """The name of the scheduler's class; empty without a scheduler."""
        return str((self.node.get("scheduler") or {}).get("_target_", ""))

    @property
    def metrics(self) -> Mapping[str, Any]:
        """The chosen metrics by head name."""
        return self.node.get("metrics") or {}

    @property
    def takes_heads_of_data(self) -> bool:
        """Whether the network has the heads of the data."""
        return bool(self.node.get("auto_configure_from_dataset", True))


@dataclass(frozen=True)
class TrainerSection:
    """The length of the training, the devices and the precision.

    Attributes:
        node: Lightning's trainer and its arguments.
    """

    node: Node

    @property
    def strategy(self) -> object:
        """`auto` for one device, `ddp` or `fsdp`; another value is refused later."""
        return self.node.get("strategy", "auto")

    @property
    def accelerator(self) -> str:
        """Lightning's accelerator name, such as `cpu` or `auto`."""
        return str(self.node.get("accelerator", "auto"))

    @property
    def devices(self) -> object:
        """A number of devices, a list of device numbers, or `auto`."""
        return self.node.get("devices", "auto")

    @property
    def machines(self) -> object:
        """The number of machines; more than one is refused later."""
        return self.node.get("num_nodes", 1)

    @property
    def precision(self) -> str | int | None:
        """Lightning's precision; None if it is chosen for the device."""
        precision: str | int | None = self.node.get("precision")
        return None if precision == "auto" else precision

    @property
    def tries_only(self) -> bool:
        """Whether only a few batches run and nothing is recorded (`fast_dev_run`)."""
        return bool(self.node.get("fast_dev_run"))

    @property
    def validates(self) -> bool:
        """Whether any validation batch is read."""
        return why_no_validation(self.node) is None


@dataclass(frozen=True)
class LoggerSection:
    """The MLflow store and experiment of a run.

    Attributes:
        experiment_name: The experiment in MLflow.
        tracking_uri: URI of the store; None for the default one.
    """

    experiment_name: str
    tracking_uri: str | None


@dataclass(frozen=True)
class RunConfig:
    """A run's configuration.

    Attributes:
        run: The top-level keys.
        data: The section of the data.
        model: The section of the network and its training.
        trainer: The section of Lightning's trainer.
        callbacks: The nodes of the callbacks, by name.
        logger: The section of the store.
        home: The folder of runs, as it was typed.
        composed: The whole configuration in plain types, for the record.
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
        """Split a configuration, whose top-level keys have been checked, into sections."""
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
        """Check a configuration in plain types, and split it into sections.

        Raises:
            ConfigError: For an unknown key, with the nearest valid one, or for a value that is not
                allowed.
        """
        check_config(composed)
        return cls.of(with_whole_numbers(composed))

    @property
    def places(self) -> dict[str, Any]:
        """The part of the configuration that studies and ablations record: store and folders."""
        return {key: self.composed[key] for key in ("logger", "paths")}

    def store(self) -> Store:
        """Return the store in which the run is recorded."""
        return Store(self.logger.tracking_uri, settings.home_folder(self.home))

    def with_precision(self, precision: str) -> "RunConfig":
        """Return a copy with another precision."""
        trainer = {**self.trainer.node, "precision": precision}
        composed = {**self.composed, "trainer": trainer}
        return replace(self, trainer=TrainerSection(trainer), composed=composed)
