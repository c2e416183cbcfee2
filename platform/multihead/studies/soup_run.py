"""Record a model soup as a run of its own, with its checkpoint, a table of trials and one test."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pandas as pd
from lightning.pytorch.callbacks import Callback

from multihead.files import link, sha256, write_atomically
from multihead.runs.build import Parts
from multihead.runs.execute import Announcer, Membership, RunResult, execute
from multihead.spreadsheet import write_csv
from multihead.studies.create_or_resume import OpenStudy
from multihead.studies.soup import Ingredient, chosen_greedily, ingredients, mixed
from multihead.studies.soup_figures import Figures
from multihead.studies.trial_names import PARENT_TAG, STATE_TAG, STUDY_TAG
from multihead.tracking.run import TrackedRun
from multihead.training.checkpoints import BEST, RECORD, AtomicCheckpointIO
from multihead.training.hashes import recorded_hashes
from multihead.training.metrics import shortest

KIND = "soup"
RECIPE_TAG, TRIALS_TAG, RUNS_TAG = "multihead.soup", "multihead.soup_trials", "multihead.soup_runs"
TABLE_FILE = "soup.csv"


@dataclass(frozen=True)
class Soup:
    """A soup of a study's best trials.

    Attributes:
        result: The result of the soup's run.
        table: One row per ingredient (`trial 3`), then `mean of them`, `best of them` and `soup`.
            The columns are `what`, `trial`, `run_id`, `in_soup`, and every metric of validation
            and test.
    """

    result: RunResult
    table: pd.DataFrame


def make_soup(
    opened: OpenStudy, count: int, *, greedy: bool, announcer: Announcer | None = None
) -> Soup:
    """Average the weights of a study's best trials, and record and test the average.

    The ingredients are chosen on validation alone. Then each ingredient and the soup are tested
    once.

    Args:
        opened: The study.
        count: Number of best trials to average.
        greedy: Add the trials one by one, best first. Keep a trial only if no objective of the
            average gets worse.
        announcer: Called when the soup's run starts.

    Raises:
        ConfigError: If there are fewer than `count` complete trials.
        CheckpointError: If a checkpoint is missing, or its architecture differs.
    """
    found = ingredients(opened, count)
    with tempfile.TemporaryDirectory(dir=opened.store.home, prefix=".soup.") as scratch:
        file = Path(scratch) / BEST
        io = AtomicCheckpointIO(opened.store.home)
        io.save_checkpoint(_checkpoint(found[0], found[0].weights, {}), file)
        config = _config(opened, found[0], file)
        record = found[0].checkpoint[RECORD]
        figures = Figures(opened.definition, config, record, opened.plan.opened)
        kept = chosen_greedily(found, figures) if greedy else found
        weights = figures.completed(mixed(kept), kept)
        validated = figures.validated(weights)
        rows = [_row(each, figures, in_soup=each in kept) for each in found]
        io.save_checkpoint(_checkpoint(found[0], weights, validated), file)
        keeper = _Keeper(file, validated, rows, announcer or Announcer())
        tags = {
            PARENT_TAG: opened.parent,
            STUDY_TAG: opened.name,
            STATE_TAG: "SOUP",
            RECIPE_TAG: "greedy" if greedy else "uniform",
            TRIALS_TAG: ",".join(str(each.trial) for each in kept),
            RUNS_TAG: ",".join(each.run_id for each in kept),
        }
        member = Membership(KIND, tags=tags, callbacks=[keeper], opened=opened.plan.opened)
        result = execute(config, member=member, announcer=_Started(keeper))
    return Soup(result, keeper.table)


class _Keeper(Callback):
    """Saves the checkpoint in the soup's run, and the table after the soup's test."""

    def __init__(
        self,
        file: Path,
        validated: Mapping[str, float],
        rows: list[dict[str, Any]],
        announcer: Announcer,
    ) -> None:
        self.file, self.validated, self.rows = file, validated, rows
        self.announcer = announcer
        self.run: TrackedRun | None = None
        self.table = pd.DataFrame()

    def keep(self, run: TrackedRun) -> None:
        """Save the checkpoint in the run and log its validation metrics."""
        self.run = run
        folder = run.folder / "checkpoints"
        folder.mkdir()
        digest = sha256(self.file)
        with recorded_hashes(folder, {BEST: frozenset({digest})}):
            write_atomically(folder / BEST, lambda target: link(self.file, target))
        run.note_file(f"checkpoints/{BEST}", digest)
        run.log_metrics({f"best/{name}": value for name, value in self.validated.items()}, 0)

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record the table."""
        tested = {n: shortest(v) for n, v in trainer.callback_metrics.items() if "/" in n}
        self.table = _table(self.rows, {**self.validated, **tested})
        if self.run is not None:
            path = self.run.folder / TABLE_FILE
            write_csv(self.table, path)
            self.run.log_file(path)


class _Started(Announcer):
    """Saves the checkpoint before the start of the run is announced."""

    def __init__(self, keeper: _Keeper) -> None:
        self.keeper = keeper

    def started(self, run: TrackedRun | None, parts: Parts, notes: list[str]) -> None:
        """Save the checkpoint in the new run, then pass the announcement on."""
        if run is not None:
            self.keeper.keep(run)
        self.keeper.announcer.started(run, parts, notes)


def _config(opened: OpenStudy, best: Ingredient, file: Path) -> dict[str, Any]:
    """Return the configuration that tests a checkpoint with the network of the best trial."""
    seed = opened.plan.configs.seed(0)
    name = f"{opened.name}-soup"
    config = opened.plan.configs.config(best.values, seed=seed, name=name, train=False, test=True)
    trainer = config["trainer"]
    if trainer.get("strategy", "auto") != "auto":
        trainer = {**trainer, "strategy": "auto", "devices": 1}
    return {**config, "trainer": trainer, "ckpt_path": str(file)}


def _checkpoint(
    first: Ingredient, weights: Mapping[str, Any], validated: Mapping[str, float]
) -> dict[str, Any]:
    """Return a checkpoint for inference. Training cannot be resumed from it.

    Args:
        first: Gives the heads, the normalisation and the number of epochs.
        weights: Weights of the network.
        validated: Validation metrics.
    """
    best = {n: v for n, v in validated.items() if n in first.checkpoint[RECORD]["best"]}
    record = {**first.checkpoint[RECORD], "best": best, "train_sums": {}}
    record["heads"] = record["heads"].to_record()
    state = dict(first.checkpoint["state_dict"]) | {f"net.{n}": v for n, v in weights.items()}
    kept = ("epoch", "global_step", "pytorch-lightning_version")
    return {
        **{key: first.checkpoint[key] for key in kept},
        "state_dict": state,
        RECORD: record,
    }


def _row(each: Ingredient, figures: Figures, *, in_soup: bool) -> dict[str, Any]:
    measured = {**figures.validated(each.weights), **figures.tested(each.weights)}
    return {"what": f"trial {each.trial}", **_of(each.trial, each.run_id, in_soup), **measured}


def _of(trial: int | None, run_id: str, in_soup: bool | None) -> dict[str, Any]:
    return {"trial": trial, "run_id": run_id, "in_soup": in_soup}


def _table(rows: Sequence[Mapping[str, Any]], soup: Mapping[str, float]) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    names = [name for name in table.columns if "/" in name]
    mean = {"what": "mean of them", **_of(None, "", None), **table[names].mean().to_dict()}
    best = {**rows[0], "what": "best of them"}
    mixture = {"what": "soup", **_of(None, "", None), **{n: soup.get(n) for n in names}}
    further = pd.DataFrame([mean, best, mixture])
    found = pd.concat([table, further], ignore_index=True)
    found["trial"] = found["trial"].astype("Int64")
    return found
