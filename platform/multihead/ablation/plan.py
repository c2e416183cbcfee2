"""Plan an ablation: its cells (one per part of an arm and seed), and those that runs already cover.

Every part is built once, so that errors appear before any training starts.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from multihead.ablation.arms import Part, compose, parts_of
from multihead.ablation.definition import Definition
from multihead.ablation.pairs import FOLD
from multihead.ablation.records import is_result, trainings
from multihead.ablation.tuning import Tuned, trials_of, tuned
from multihead.data.datamodule import MultiheadDataModule
from multihead.errors import ConfigError
from multihead.heads import Heads
from multihead.metrics.registry import judging
from multihead.runs.build import Parts, build, build_data
from multihead.runs.fingerprint import config_hash, settings_hash
from multihead.runs.sections import DataSection, RunConfig
from multihead.runs.trust import check_targets, targets_of
from multihead.tracking.store import Store
from multihead.training.module import MultiheadLitModule


@dataclass(frozen=True)
class Cell:
    """One training: a part of an arm with one seed.

    Attributes:
        part: The part that is trained.
        seed: The seed of the training.
        fold: The number of the test fold, from 0; None if the ablation has no folds.
        config: The run's configuration.
        train_digest: Digest of the training file with the part's heads.
        test_digest: Digest of the test file with the part's heads.
    """

    part: Part
    seed: int
    config: RunConfig
    train_digest: str
    test_digest: str
    fold: int | None = None

    @property
    def name(self) -> str:
        """The cell's name, such as `single-digit-seed3` or `single-digit-seed3-fold0`."""
        of_fold = "" if self.fold is None else f"-fold{self.fold}"
        return f"{self.part.name}-seed{self.seed}{of_fold}"

    @property
    def block(self) -> int | str:
        """The key that pairs this training with one of another arm: the seed, or `3 fold 0`."""
        return self.seed if self.fold is None else f"{self.seed}{FOLD}{self.fold}"

    @property
    def identity(self) -> tuple[str, str, str]:
        """What a recorded run must share with this cell: config hash and digests of the data."""
        return (config_hash(self.config.composed), self.train_digest, self.test_digest)


@dataclass(frozen=True)
class Plan:
    """An ablation that can run.

    Attributes:
        definition: The ablation's definition.
        base: Its composed base.
        data: The base's data, already read.
        cells: All cells, ordered by seed. So arms can be compared as soon as the first seeds end.
        metrics: The metrics of each head. The first one judges the head.
        tuned: The results of tuning, by part. A part without a result is not tuned yet.
        measured: (arm, head, metric) of all values that the trainings measure, in the order of the
            parts.
        parameters: Number of trainable parameters, by part name.
        notes: Differences between arms that a reader has to know.
    """

    definition: Definition
    base: RunConfig
    data: MultiheadDataModule
    cells: tuple[Cell, ...]
    metrics: Mapping[str, tuple[str, ...]]
    tuned: Mapping[str, Tuned]
    measured: tuple[tuple[str, str, str], ...]
    parameters: Mapping[str, int]
    notes: tuple[str, ...] = ()

    @property
    def parts(self) -> list[Part]:
        """The parts of all arms."""
        return list({cell.part.name: cell.part for cell in self.cells}.values())

    @property
    def untuned(self) -> list[Part]:
        """The parts that must be tuned before they can be trained."""
        searched = [p for p in self.parts if trials_of(self.definition, p)]
        return [p for p in searched if p.name not in self.tuned]

    @property
    def lost(self) -> dict[str, str]:
        """Why a part cannot be trained, by its name: no trial of its search has a result."""
        return {name: result.lost for name, result in self.tuned.items() if result.lost}

    @property
    def trainable(self) -> list[Cell]:
        """The cells whose part can be trained."""
        return [cell for cell in self.cells if cell.part.name not in self.lost]

    def on_record(self, store: Store) -> dict[str, list[Any]]:
        """Return the recorded runs of each cell, by cell name, the oldest first."""
        settings = [settings_hash(cell.config.composed) for cell in self.trainable]
        found = trainings(store, settings, any_version=self.definition.reuse == "any")
        runs: dict[str, list[Any]] = {cell.name: [] for cell in self.cells}
        return runs | {cell.name: found.get(cell.identity, []) for cell in self.trainable}

    def missing(self, store: Store) -> list[Cell]:
        """Return the cells that can be trained and have no finished, tested run."""
        runs = self.on_record(store)
        return [cell for cell in self.trainable if not any(map(is_result, runs[cell.name]))]


@dataclass
class _Reader:
    """Reads each set of files once.

    Attributes:
        opened: The open data modules, as `build_data` takes them.
        digests: Digests of the training and the test file, by the settings of the data.
    """

    opened: dict[str, MultiheadDataModule] = field(default_factory=dict)
    digests: dict[str, tuple[str, str]] = field(default_factory=dict)

    def of(self, section: DataSection) -> tuple[str, str]:
        """Return the digests of the training and the test file."""
        if section.files not in self.digests:
            data = build_data(section, self.opened, test=True)
            digests = data.train_source.digest(), data.test_source.digest()
            self.digests[section.files] = digests
        return self.digests[section.files]


def prepare(definition: Definition, trust: Collection[str] = ()) -> Plan:
    """Compose and build every part, and read the data.

    Args:
        definition: The ablation that the user wrote.
        trust: Classes that studies in a storage may name although the user did not write them.

    Raises:
        MultiheadError: If a part cannot run or cannot be compared. The message has one line.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    base = RunConfig.of(compose(definition).variant({}))
    reader = _Reader()
    data = build_data(base.data, reader.opened, test=base.run.test)
    parts = parts_of(definition, base.composed, list(data.heads))
    results = tuned(definition, parts, trust)
    cells: list[Cell] = []
    built: dict[str, Parts] = {}
    for part in parts:
        result = results.get(part.name)
        composed = compose(definition, [*part.overrides, *(result.overrides if result else ())])
        if result:
            plain = targets_of(compose(definition, part.overrides).variant({}))
            check_targets(composed.variant({}), f"the study {result.study}", {*plain, *trust})
        for seed, fold in _blocks(definition):
            config = RunConfig.of(composed.variant(_values(definition, part, seed, fold)))
            if part.name not in built:
                built[part.name] = _built(part, config, reader)
            cells.append(Cell(part, seed, config, *reader.of(config.data), fold))
    cells.sort(key=lambda cell: (definition.seeds.index(cell.seed), cell.fold or 0))
    notes = _check_data(cells, reader) or _other_images(parts, built)
    metrics = _metrics(definition, data.heads, built.values())
    measured = _measured(parts, built, metrics)
    _check_metrics(definition, parts, measured)
    return Plan(
        definition,
        base,
        data,
        tuple(cells),
        metrics,
        results,
        tuple(measured),
        {name: each.parameters for name, each in built.items()},
        tuple(notes),
    )


def _blocks(definition: Definition) -> list[tuple[int, int | None]]:
    folds = [None] if definition.folds is None else range(definition.folds)
    return [(seed, fold) for seed in definition.seeds for fold in folds]


def _values(definition: Definition, part: Part, seed: int, fold: int | None) -> dict[str, Any]:
    name = f"{definition.name}-{part.name}-seed{seed}"
    if fold is None:
        return {"seed": seed, "name": name}
    of_fold = {"data.folds": definition.folds, "data.fold": fold}
    return {"seed": seed, "name": f"{name}-fold{fold}", **of_fold}


def _built(part: Part, config: RunConfig, reader: _Reader) -> Parts:
    if not (config.run.train and config.run.test):
        raise ConfigError(f"arm {part.arm!r} has train=false or test=false; set both to true.")
    try:
        return build(config.composed, opened=reader.opened)
    except ConfigError as error:
        raise ConfigError(f"arm {part.arm!r}: {error}") from error


def _metrics(
    definition: Definition, heads: Heads, built: Iterable[Parts]
) -> dict[str, tuple[str, ...]]:
    """Return the metrics that are compared, by head.

    Raises:
        ConfigError: If no head has a metric that the definition names.
    """
    modules = [parts.module for parts in built]
    has = {name: _tested(name, modules) for name in heads}
    for metric in definition.metrics:
        if not any(metric in names for names in has.values()):
            known = sorted({name for names in has.values() for name in names})
            raise ConfigError(
                f"no head has the metric {metric!r} of metrics; allowed: {', '.join(known)}."
            )
    if definition.metrics:
        return {h: tuple(m for m in definition.metrics if m in names) for h, names in has.items()}
    judges = {name: judging(names) for name, names in has.items()}
    return {name: (metric.name,) for name, metric in judges.items() if metric is not None}


def _tested(head: str, modules: Iterable[MultiheadLitModule]) -> tuple[str, ...]:
    """Return the test metrics of a head in the first module that has this head."""
    having = (module.head_metrics for module in modules if head in (module.heads or ()))
    return next((tuple(metrics.names(head, "test")) for metrics in having), ())


def _measured(
    parts: Sequence[Part], built: Mapping[str, Parts], metrics: Mapping[str, tuple[str, ...]]
) -> list[tuple[str, str, str]]:
    """Return (arm, head, metric) of every value that the trainings of the parts measure."""
    return [
        (part.arm, name, metric)
        for part in parts
        for name in part.heads
        for metric in metrics[name]
        if metric in built[part.name].module.head_metrics.names(name, "test")
    ]


def _check_metrics(
    definition: Definition, parts: Sequence[Part], measured: Sequence[tuple[str, str, str]]
) -> None:
    """Raise a ConfigError if an arm shares no metric of a head with the baseline."""
    has: dict[str, set[str]] = {part.arm: set() for part in parts}
    for arm, head, metric in measured:
        has[arm].add(f"{head}_{metric}")
    for arm, own in has.items():
        if not own & has[definition.baseline]:
            raise ConfigError(
                f"arm {arm!r} has none of the baseline's metrics "
                f"({', '.join(sorted(has[definition.baseline]))}); it cannot be compared."
            )


def _check_data(cells: Sequence[Cell], reader: _Reader) -> list[str]:
    """Check that all arms are tested on the same images and labels.

    Returns:
        A note for each arm that is trained on other images than the first arm.

    Raises:
        ConfigError: If arms have different data or test sets.
    """
    seen: dict[str, tuple[tuple[str, str], list[int] | None, dict[int, Any]]] = {}
    for cell in cells:
        data = cell.config.data.node
        whole = DataSection({**data, "only_heads": None})
        none_yet = (reader.of(whole), data.get("train_val_test_split"), dict[int, Any]())
        *_, seeds = seen.setdefault(cell.part.arm, none_yet)
        seeds[cell.seed] = data.get("seed")
    first, notes = next(iter(seen)), list[str]()
    digests, sizes, seeds = seen[first]
    for arm, (other, split, its_seeds) in seen.items():
        for what, a, b in zip(("training", "test"), digests, other, strict=True):
            if a != b:
                raise ConfigError(
                    f"arms {first!r} and {arm!r} have different {what} data ({a[:8]} and {b[:8]}); "
                    f"use the same data for all arms."
                )
        if (split and split[2]) != (sizes and sizes[2]) or its_seeds != seeds:
            raise ConfigError(
                f"arms {first!r} and {arm!r} have different test sets (data.train_val_test_split "
                f"{sizes} and {split}, data.seed {_shown(seeds)} and {_shown(its_seeds)}); "
                f"use the same test set for all arms."
            )
        if split != sizes:
            notes.append(f"arm {arm} is trained on other images than {first}: {split}, {sizes}")
    return notes


def _other_images(parts: Sequence[Part], built: Mapping[str, Parts]) -> list[str]:
    """Return a note for each arm whose training or validation images are not those of the first.

    Arms may have equal files and sizes, but for example another `data.stratify`.
    """
    first, arms = built[parts[0].name].data, dict[str, MultiheadDataModule]()
    for part in parts:
        arms.setdefault(part.arm, built[part.name].data)
    return [
        f"arm {arm} is trained or validated on other images of the training file than "
        f"{parts[0].arm}"
        for arm, data in arms.items()
        if not np.array_equal(data.train_indices, first.train_indices)
        or not np.array_equal(data.val_indices, first.val_indices)
    ]


def _shown(seeds: Mapping[int, Any]) -> str:
    """Return the seeds of the splits as text. The keys are the seeds of the trainings."""
    if all(seed == own for own, seed in seeds.items()):
        return "its seed"
    return ", ".join(map(str, dict.fromkeys(seeds.values())))
