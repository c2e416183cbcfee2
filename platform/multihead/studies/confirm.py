"""Retrain the best trial on seeds that the search never used, and test each retraining once.

The best of many trials looks better than it is, since the same validation images selected it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from optuna.trial import FrozenTrial

from multihead.runs.execute import Membership, execute
from multihead.studies.create_or_resume import OpenStudy
from multihead.studies.recover import runs_of
from multihead.studies.table import ranked
from multihead.studies.trial_names import PARENT_TAG, STATE_TAG, STUDY_TAG, TRIAL_TAG

SEED_TAG = "multihead.seed"


@dataclass(frozen=True)
class Confirmed:
    """One retraining.

    Attributes:
        trial: Number of the best trial.
        seed: Seed of the retraining.
        run_id: Our id of the run.
        metrics: Its test metrics.
    """

    trial: int
    seed: int
    run_id: str
    metrics: Mapping[str, float]


def confirm(opened: OpenStudy) -> list[Confirmed]:
    """Retrain and test the best trial on `confirm.seeds` seeds; seeds already done are skipped."""
    order = ranked(opened.definition, opened.trials())
    if not order:
        return []
    best = order[0]
    experiment = opened.plan.configs.base.logger.experiment_name
    done = {
        int(run.data.tags[SEED_TAG]): run
        for run in runs_of(opened.store, experiment, opened.name, "confirm")
        if run.data.tags.get(TRIAL_TAG) == str(best.number) and run.info.status == "FINISHED"
    }
    found = []
    for index in range(opened.definition.confirm.seeds):
        seed = opened.plan.configs.confirm_seed(index)
        if seed in done:
            run = done[seed]
            tested = {k: v for k, v in run.data.metrics.items() if k.startswith("test/")}
            found.append(Confirmed(best.number, seed, run.data.tags["multihead.run"], tested))
        else:
            found.append(_train(opened, best, seed))
    return found


def _train(opened: OpenStudy, best: FrozenTrial, seed: int) -> Confirmed:
    values = opened.plan.space.values(best.params)
    name = f"{opened.name}-confirm-seed{seed}"
    config = opened.plan.configs.config(values, seed=seed, name=name, test=True)
    tags = {
        PARENT_TAG: opened.parent,
        STUDY_TAG: opened.name,
        TRIAL_TAG: str(best.number),
        SEED_TAG: str(seed),
        STATE_TAG: "CONFIRM",
    }
    result = execute(config, member=Membership("confirm", tags=tags))
    assert result.run_id is not None
    tested = {k: v for k, v in result.metrics.items() if k.startswith("test/")}
    return Confirmed(best.number, seed, result.run_id, tested)
