"""Restore what was deleted in MLflow: an experiment with its runs, or one run."""

import re

from multihead.errors import ConfigError
from multihead.tracking.find import deleted_runs
from multihead.tracking.store import Store


def restore(store: Store, what: str) -> str:
    """Restore an experiment or a run.

    Args:
        store: The store in which it was deleted.
        what: The name of an experiment, or the complete id of a run, ours or MLflow's.

    Returns:
        A description of what was restored.

    Raises:
        ConfigError: If nothing of this name was deleted.
        StoreError: If the store refuses or does not answer.
    """
    with store.errors():
        named = store.client.get_experiment_by_name(what)
    if named is not None and named.lifecycle_stage == "deleted":
        with store.errors():
            store.client.restore_experiment(named.experiment_id)
        return f"the experiment {what!r} with its runs"
    runs = deleted_runs(store, what) if re.fullmatch(r"[\w-]+", what) else []
    if not runs:
        raise ConfigError(f"no experiment or run {what!r} is deleted in {store.shown_uri}.")
    info = runs[0].info
    with store.errors():
        around = store.client.get_experiment(info.experiment_id)
        if around.lifecycle_stage == "deleted":
            store.client.restore_experiment(info.experiment_id)
            return f"the experiment {around.name!r} of run {what}, with its runs"
        store.client.restore_run(info.run_id)
    return f"run {what}"
