"""The study's own run in MLflow: its file, its trials as a table, pictures, an interactive page."""

import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import optuna
import pandas as pd
import yaml
from optuna.trial import FrozenTrial, TrialState

from multihead.errors import StoreError, message_of
from multihead.figures import search as figures
from multihead.studies.create_or_resume import OpenStudy, record_of
from multihead.studies.description import description
from multihead.studies.page import lowest_is_best, write_page
from multihead.studies.recover import seal_parent, workers_of
from multihead.studies.registry import alive, known
from multihead.studies.samplers import settled
from multihead.studies.table import ranked, trials_table
from multihead.studies.trial_names import STATE_TAG, STEPS, STUDY_TAG
from multihead.tracking.folder import RunFolder
from multihead.tracking.run import TrackedRun
from multihead.tracking.tags import DESCRIPTION_TAG, NOTES_TAG

FOLDER, PAGE = "study", "study.html"
SAMPLER_TAG = "multihead.sampler"
_AGAIN_SECONDS = 120.0


class StudyRecord:
    """Writes what a study has come to into its run.

    Args:
        opened: The study.

    Raises:
        StoreError: If another command is writing it.
    """

    def __init__(self, opened: OpenStudy) -> None:
        self.opened = opened
        run_id = known(opened.storage, opened.name).parent
        assert run_id is not None
        self.run = _opened_run(opened, run_id)
        self._last = time.monotonic()
        self._begin()

    def _begin(self) -> None:
        sampler, why = settled(self.opened.definition, self.opened.plan.space)
        tags = {STATE_TAG: "RUNNING", SAMPLER_TAG: f"{sampler['name']}: {why}"}
        self.run.set_tags({**tags, NOTES_TAG: "; ".join(self.opened.plan.notes)})
        self._describe()
        definition = self.opened.definition.model_dump(mode="json", exclude={"storage"})
        with tempfile.TemporaryDirectory(dir=self.run.folder, prefix=".study.") as scratch:
            path = Path(scratch) / "study.yaml"
            path.write_text(yaml.safe_dump(definition, sort_keys=False), encoding="utf-8")
            self.run.log_file(path, FOLDER)

    @property
    def folder(self) -> Path:
        """Where pictures and tables are on this machine."""
        return self.run.folder / FOLDER

    def now_and_then(self) -> None:
        """Write figures of the study at once, and pictures once in two minutes."""
        self._metrics()
        if time.monotonic() - self._last > _AGAIN_SECONDS:
            self.write()

    def write(self) -> None:
        """Write everything."""
        self.run.check()
        self.folder.mkdir(exist_ok=True)
        self._metrics()
        for path in draw(self.opened, self.folder):
            self.run.log_file(path, FOLDER)
        self._describe(f"{FOLDER}/{PAGE}")
        self._last = time.monotonic()

    def _describe(self, page: str | None = None) -> None:
        self.run.set_tags({DESCRIPTION_TAG: description(self.opened, self.run, page)})

    def end(self, reason: str, *, interrupted: bool) -> None:
        """Write everything and give the run its status.

        Args:
            reason: Why the study ended early; empty if all trials ended.
            interrupted: Whether a signal or an error ended it.
        """
        try:
            self.write()
        except BaseException as error:
            self.run.finish("FAILED", message_of(error))
            raise
        seal_parent(self.run, reason, interrupted=interrupted)

    def _metrics(self) -> None:
        trials = self.opened.trials()
        order = ranked(self.opened.definition, trials)
        ended = sum(t.state.is_finished() for t in trials)
        metrics = {"trials/ended": float(ended), "trials/complete": float(len(order))}
        pruned = sum(t.state == TrialState.PRUNED for t in trials)
        failed = sum(t.state == TrialState.FAIL for t in trials)
        metrics |= {"trials/pruned": float(pruned), "trials/failed": float(failed)}
        if order:
            objectives = self.opened.definition.objectives
            metrics |= {f"best/{m}": v for m, v in zip(objectives, order[0].values, strict=True)}
        self.run.log_metrics(metrics, ended)


def _opened_run(opened: OpenStudy, run_id: str) -> TrackedRun:
    """Go on with a study's own run, with a new folder if its own was deleted.

    Raises:
        StoreError: If another command is writing it, here or elsewhere.
    """
    config = record_of(opened.definition, opened.plan)
    if RunFolder(opened.store.home / run_id).spool.is_file():
        return TrackedRun.reopen(opened.store, run_id, config)
    own = None if opened.presence is None else opened.presence.owner
    for process in alive(opened.storage, opened.name, workers_of(opened.store)):
        if process.kind == "command" and process.owner != own:
            raise StoreError(f"study {opened.name} is being run by {process.place}.")
    return TrackedRun.create(
        opened.store,
        opened.plan.configs.base.logger.experiment_name,
        config,
        name=opened.name,
        kind="study",
        run_id=run_id,
        tags={STUDY_TAG: opened.name, STATE_TAG: "RUNNING"},
    )


def draw(opened: OpenStudy, folder: Path) -> Iterator[Path]:
    """Write table, pictures and page of a study into a folder, and return their paths.

    Pictures that the trials so far do not allow (an importance from one trial) are left out.
    """
    definition, trials = opened.definition, opened.trials()
    table = trials_table(definition, opened.plan.space, trials, opened.storage)
    table.to_parquet(folder / "trials.parquet", index=False)
    yield folder / "trials.parquet"
    done = [t for t in trials if t.state == TrialState.COMPLETE]
    if done:
        yield from _pictures(opened, table, done, folder)
    write_page(opened.study, definition, table, folder / PAGE, opened.plan.notes)
    yield folder / PAGE


def _pictures(
    opened: OpenStudy, table: pd.DataFrame, done: Sequence[FrozenTrial], folder: Path
) -> Iterator[Path]:
    """Draw what the trials so far allow; yield each picture's path."""
    objectives = opened.definition.objectives
    shown = _shown(opened, table)
    for index, (metric, direction) in enumerate(objectives.items()):
        key, maximize = metric.replace("/", "_"), direction == "maximize"
        path = folder / f"history_{key}.png"
        figures.history(table, metric, maximize=maximize, path=path)
        yield path
        if shown and len(done) > 1:
            path = folder / f"slice_{key}.png"
            figures.slices(table, metric, shown, path)
            yield path
            path = folder / f"parallel_{key}.png"
            figures.parallel_coordinates(table, metric, shown, maximize=maximize, path=path)
            yield path
        if curves := _curves(opened.trials(), index):
            states = {t.number: t.state.name for t in opened.trials()}
            path = folder / f"intermediate_{key}.png"
            figures.intermediate_values(curves, states, metric, path)
            yield path
    if shares := importances(opened.study, list(objectives)):
        path = folder / "importance.png"
        figures.importance(shares, path)
        yield path
    if len(objectives) > 1:
        front = [t.number for t in opened.study.best_trials]
        path = folder / "pareto_front.png"
        figures.pareto_front(table, list(objectives), front, path)
        yield path
    path = folder / "timeline.png"
    figures.timeline(table, path)
    yield path


def _shown(opened: OpenStudy, table: pd.DataFrame) -> list[str]:
    """Return the parameters that vary, loss weights as such."""
    names = [p.name for p in opened.plan.space.parameters if not p.name.startswith("simplex.")]
    names += [column for column in table.columns if column.startswith("weights.")]
    done = table[table["state"] == "COMPLETE"]
    return [name for name in names if done[name].nunique() > 1]


def importances(study: optuna.Study, metrics: Sequence[str]) -> Mapping[str, Mapping[str, float]]:
    """Return how much each parameter matters, by objective; empty if the trials do not tell.

    Only of those that all trials have: a condition's parameters cannot be compared with the rest.

    Source: PED-ANOVA, Watanabe, Bansal & Hutter, IJCAI 2023, Optuna's default.
    """
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    common = [
        name
        for name in (done[0].params if done else {})
        if all(name in t.params for t in done) and len({t.params[name] for t in done}) > 1
    ]
    varied = all(len({t.values[i] for t in done}) > 1 for i in range(len(metrics)))
    if len(done) < 4 or not common or not varied:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that low values are explained: the target sees to it
        return {
            metric: optuna.importance.get_param_importances(
                study, params=common, target=lowest_is_best(study, index)
            )
            for index, metric in enumerate(metrics)
        }


def _curves(trials: Sequence[FrozenTrial], index: int) -> dict[int, dict[int, float]]:
    curves = {}
    for trial in trials:
        steps = trial.user_attrs.get(STEPS)
        if steps:
            curves[trial.number] = {int(s): values[index] for s, values in steps.items()}
        elif trial.intermediate_values and index == 0:
            curves[trial.number] = dict(sorted(trial.intermediate_values.items()))
    return curves
