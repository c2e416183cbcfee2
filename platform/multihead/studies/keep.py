"""Keep only the checkpoints of the best trials."""

from collections.abc import Sequence

from optuna.trial import FrozenTrial

from multihead.studies.definition import Definition
from multihead.studies.table import ranked
from multihead.studies.trial import drop_checkpoints
from multihead.studies.trial_names import MLFLOW_RUNS, RUNS
from multihead.tracking.folder import run_path
from multihead.tracking.removal import remove_artifacts
from multihead.tracking.store import Store


def drop_others(store: Store, definition: Definition, trials: Sequence[FrozenTrial]) -> None:
    """Delete the checkpoints of ended trials that are not among the best `keep`."""
    if definition.keep is None:
        return
    best = {t.number for t in ranked(definition, trials)[: definition.keep]}
    for trial in trials:
        if not trial.state.is_finished() or trial.number in best:
            continue
        for seed, run_id in trial.user_attrs.get(RUNS, {}).items():
            folder = run_path(store.home, run_id, f"a run of trial {trial.number}")
            if (folder / "checkpoints").exists():
                mlflow_id = trial.user_attrs.get(MLFLOW_RUNS, {}).get(seed)
                if mlflow_id is not None:
                    remove_artifacts(store, mlflow_id, "checkpoints")
                drop_checkpoints(folder)
