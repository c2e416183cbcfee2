"""A model soup: the mean of the weights of a study's best trials, chosen by validation only.

Source: Wortsman et al., Model soups, ICML 2022, arXiv:2203.05482.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from optuna.trial import FrozenTrial
from torch import Tensor

from multihead.errors import CheckpointError, ConfigError
from multihead.runs.load import assemble
from multihead.runs.run_files import run_file
from multihead.runs.trust import import_kinds, kinds_in
from multihead.studies.create_or_resume import OpenStudy
from multihead.studies.soup_figures import Figures
from multihead.studies.table import ranked
from multihead.studies.trial import recorded
from multihead.studies.trial_names import RUNS
from multihead.tracking.folder import run_path
from multihead.training.checkpoints import BEST, RECORD, check_record, read_checkpoint
from multihead.training.weight_average import averaged, first_difference

_NET = "net."
_COMPARED_IMAGES = 4
_SAME = 1e-4  # outputs count as equal up to this fraction of the largest output


@dataclass(frozen=True, eq=False)
class Ingredient:
    """A trial's network at its best epoch.

    Attributes:
        trial: Number of the trial.
        run_id: Our id of its run; with several seeds, that of the first.
        values: The overrides of the trial, by path.
        node: The configuration `model.net` of its network.
        checkpoint: The content of its best.ckpt.
        weights: The network's weights, by the network's own parameter names.
    """

    trial: int
    run_id: str
    values: Mapping[str, Any]
    node: Mapping[str, Any]
    checkpoint: Mapping[str, Any]
    weights: dict[str, Tensor]


def ingredients(opened: OpenStudy, count: int) -> list[Ingredient]:
    """Return the best trials of a study, the best first.

    Args:
        opened: The study.
        count: Number of trials.

    Raises:
        ConfigError: If the study has fewer complete trials.
        CheckpointError: If a checkpoint is missing or damaged, or its architecture differs from
            that of the best trial.
    """
    order = ranked(opened.definition, opened.trials())
    if len(order) < count:
        raise ConfigError(
            f"study {opened.name} has {len(order)} complete trials, but --best asks for {count}; "
            f"give a smaller number, or go on with the study (n_trials=N --resume)."
        )
    found = [_ingredient(opened, trial, count) for trial in order[:count]]
    for other in found[1:]:
        _check_same(opened, found[0], other)
    return found


def mixed(found: Sequence[Ingredient]) -> dict[str, Tensor]:
    """Return the mean of the networks' weights."""
    return averaged([each.weights for each in found])


def chosen_greedily(found: Sequence[Ingredient], figures: Figures) -> list[Ingredient]:
    """Return the ingredients of a greedy soup.

    The best trial is always in it. Each further trial is added if no objective of the average
    gets worse.

    Args:
        found: The candidates, best first.
        figures: Measures the objectives. Each candidate costs one pass over the validation split.
    """
    kept = [found[0]]
    before = figures.objectives(mixed(kept), kept)
    for each in found[1:]:
        now = figures.objectives(mixed([*kept, each]), [*kept, each])
        if all(new >= old for new, old in zip(now, before, strict=True)):
            kept, before = [*kept, each], now
    return kept


def _ingredient(opened: OpenStudy, trial: FrozenTrial, count: int) -> Ingredient:
    runs = trial.user_attrs.get(RUNS, {})
    seed = str(opened.plan.configs.seed(0))
    run_id = str(runs.get(seed) or next(iter(runs.values()), ""))
    file = _file(opened, run_id, trial.number)
    if file is None:
        keep = opened.definition.keep
        reason = "its files were deleted"
        if keep is not None and keep < count:
            reason = (
                f"the study keeps those of its best {keep} trials (keep={keep}); give --best "
                f"{keep or 1}, or search again with keep={count} or keep=null"
            )
        raise CheckpointError(
            f"study {opened.name} has no checkpoint of trial {trial.number}: {reason}."
        )
    values = opened.plan.space.values(trial.params)
    checkpoint = read_checkpoint(file)
    weights = {
        name.removeprefix(_NET): value
        for name, value in checkpoint["state_dict"].items()
        if isinstance(name, str) and name.startswith(_NET) and isinstance(value, Tensor)
    }
    node = opened.plan.configs.config(values)["model"]["net"]
    record = checkpoint.get(RECORD)
    kinds = record.get("heads") if isinstance(record, dict) else None
    import_kinds(kinds, f"the checkpoint {file}", _trusted(opened))
    held = {**checkpoint, RECORD: check_record(checkpoint, file)}
    return Ingredient(trial.number, run_id, values, node, held, weights)


def _trusted(opened: OpenStudy) -> list[str]:
    return kinds_in(opened.plan.heads.to_record())


def _file(opened: OpenStudy, run_id: str, number: int) -> Path | None:
    local = run_path(opened.store.home, run_id, f"a run of trial {number}") / "checkpoints" / BEST
    if local.is_file():
        return local
    record = recorded(opened.store, run_id)
    return None if record is None else run_file(opened.store, record, local, f"checkpoints/{BEST}")


def _check_same(opened: OpenStudy, one: Ingredient, other: Ingredient) -> None:
    """Refuse networks that differ in more than their weights.

    Raises:
        CheckpointError: Naming the first parameter that differs, or what else does.
    """
    names = f"trials {one.trial} and {other.trial} of study {opened.name}"
    searched = [p.path for p in opened.plan.space.parameters if p.path.startswith("model")]
    of_net = [path for path in searched if path.replace("/", ".").startswith("model.net")]
    cause = f" The study searches {', '.join(of_net)}." if of_net else ""
    difference = first_difference(one.weights, other.weights)
    if difference is not None:
        raise CheckpointError(f"{names} have no weights in common: {difference}.{cause}")
    for what in ("heads", "image_shape", "mean", "std", "preparation"):
        first, second = (each.checkpoint[RECORD].get(what) for each in (one, other))
        if first != second:
            raise CheckpointError(f"{names} differ in {what}, so they take other images.{cause}")
    if one.node != other.node and not _computes_the_same(one, other):
        raise CheckpointError(
            f"{names} compute something else with the same weights, so a mean of them means "
            f"nothing.{cause}"
        )


def _computes_the_same(one: Ingredient, other: Ingredient) -> bool:
    """Tell whether two networks differ in training alone, as by their dropout."""
    place, record = Path(f"best.ckpt of trial {other.trial}"), other.checkpoint[RECORD]
    networks = [assemble(node, record, other.weights, place) for node in (one.node, other.node)]
    generator = torch.Generator().manual_seed(0)
    shape = (_COMPARED_IMAGES, *networks[0].image_shape)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    first, second = (network.outputs(images) for network in networks)
    return all(
        bool((first[n] - second[n]).abs().max() <= _SAME * first[n].abs().max().clamp(min=1))
        for n in first
    )
