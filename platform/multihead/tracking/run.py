"""One run's record: its folder on this machine and its run in the MLflow store.

The folder's name, our own sortable id, is the run's identity (tag `multihead.run`); it is
made before the store is asked for anything.
"""

import json
import secrets
import shutil
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import yaml

from multihead.errors import ConfigError, StoreError
from multihead.tracking.store import Store

RUN_TAG = "multihead.run"
ERROR_TAG = "multihead.error"
CONFIG_FILE = "config.yaml"
Status = Literal["FINISHED", "FAILED", "KILLED"]
_PARAMS_PER_BATCH = 100
_PARAM_LENGTH = 6000
_TAG_LENGTH = 5000


def new_run_id() -> str:
    """Return an id that sorts by time, such as 20261122-214501-3f9ac2."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return a nested configuration as dotted keys and text, `model.optimizer.lr: 0.002`."""
    items: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            items |= flat(value, f"{prefix}{key}.")
        else:
            items[f"{prefix}{key}"] = str(value)
    return items


class TrackedRun:
    """A run that is being recorded.

    Args:
        store: Where the record is.
        run_id: Our id, the name of the folder.
        experiment_id: MLflow's id of the experiment.
        mlflow_id: MLflow's id of the run.
    """

    def __init__(self, store: Store, run_id: str, experiment_id: str, mlflow_id: str) -> None:
        self.store, self.run_id = store, run_id
        self.experiment_id, self.mlflow_id = experiment_id, mlflow_id
        self.folder = store.home / run_id

    @classmethod
    def create(
        cls,
        store: Store,
        experiment: str,
        config: Mapping[str, Any],
        *,
        name: str | None = None,
        kind: str = "run",
        run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> "TrackedRun":
        """Make the folder, write the configuration into it, and make the MLflow run.

        Args:
            store: Where the record will be.
            experiment: MLflow's name of the experiment.
            config: A composed configuration in plain types.
            name: Of the run in MLflow; made from experiment and id if none.
            kind: What it is: run, evaluation, study, trial, ...
            run_id: Our id, if it was made before; see `new_run_id`.
            tags: Further tags, such as the run it belongs to.

        Raises:
            StoreError: If the folder or the store refuses; nothing is left then.
        """
        run_id = run_id or new_run_id()
        folder = store.home / run_id
        try:
            folder.mkdir()
            _write_config(folder, config)
            experiment_id = store.experiment_id(experiment)
            with store.errors():
                made = store.client.create_run(
                    experiment_id,
                    run_name=name or f"{experiment}-{run_id[-6:]}",
                    tags={**(tags or {}), RUN_TAG: run_id, "multihead.kind": kind},
                )
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise StoreError(f"{folder} cannot be written to ({error.strerror}).") from error
        except StoreError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return cls(store, run_id, experiment_id, made.info.run_id)

    @classmethod
    def reopen(cls, store: Store, run_id: str, config: Mapping[str, Any]) -> "TrackedRun":
        """Set an earlier run back to RUNNING, with the configuration it goes on with.

        MLflow keeps the first value of a parameter, so what changed becomes a tag.

        Args:
            store: Where the record is.
            run_id: Our id of the run, from `find_run`.
            config: As composed now.
        """
        run = find_run(store, run_id)
        tracked = cls(store, run.data.tags[RUN_TAG], run.info.experiment_id, run.info.run_id)
        with store.errors():
            store.client.update_run(tracked.mlflow_id, status="RUNNING")
            if ERROR_TAG in run.data.tags:
                store.client.delete_tag(tracked.mlflow_id, ERROR_TAG)
        before = yaml.safe_load((tracked.folder / CONFIG_FILE).read_text())
        after = {**config, "ckpt_path": before.get("ckpt_path"), "paths": before.get("paths")}
        old, new = flat(before), flat(after)
        changed = {f"resumed.{k}": v for k, v in new.items() if old.get(k) != v}
        if changed:
            tracked.set_tags(changed)
            _write_config(tracked.folder, after)
        return tracked

    @property
    def url(self) -> str:
        """The address of the run's page."""
        return self.store.run_url(self.experiment_id, self.mlflow_id)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Record one point of each metric at an optimizer step."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        points = [Metric(key, float(value), now, step) for key, value in metrics.items()]
        with self.store.errors():
            self.store.client.log_batch(self.mlflow_id, metrics=points)

    def log_params(self, params: Mapping[str, str]) -> None:
        """Record hyper-parameters; those already recorded keep their first value."""
        from mlflow.entities import Param

        with self.store.errors():
            known = self.store.client.get_run(self.mlflow_id).data.params
            new = [Param(k, v[:_PARAM_LENGTH]) for k, v in params.items() if k not in known]
            for first in range(0, len(new), _PARAMS_PER_BATCH):
                batch = new[first : first + _PARAMS_PER_BATCH]
                self.store.client.log_batch(self.mlflow_id, params=batch)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Record tags, replacing those of the same name."""
        from mlflow.entities import RunTag

        values = [RunTag(key, value[:_TAG_LENGTH]) for key, value in tags.items()]
        with self.store.errors():
            self.store.client.log_batch(self.mlflow_id, tags=values)

    def log_dataset(
        self, *, name: str, digest: str, context: str, source: str, profile: Mapping[str, Any]
    ) -> None:
        """Record a dataset the run used, with the digest of its content."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(
            name, digest, "local", json.dumps({"uri": source}), profile=json.dumps(dict(profile))
        )
        used = DatasetInput(dataset, [InputTag("mlflow.data.context", context)])
        with self.store.errors():
            self.store.client.log_inputs(self.mlflow_id, [used])

    def log_file(self, path: Path, folder: str | None = None) -> None:
        """Copy a file into the run's artifacts."""
        try:
            with self.store.errors():
                self.store.client.log_artifact(self.mlflow_id, str(path), folder)
        except OSError as error:
            raise StoreError(f"{path} cannot be stored ({error.strerror}).") from error

    def finish(self, status: Status) -> None:
        """Set the final status."""
        with self.store.errors():
            self.store.client.set_terminated(self.mlflow_id, status)


def _write_config(folder: Path, config: Mapping[str, Any]) -> None:
    (folder / CONFIG_FILE).write_text(yaml.safe_dump(dict(config), sort_keys=False))


def find_run(store: Store, wanted: str) -> Any:
    """Return the MLflow run for our id, MLflow's id, or a unique prefix of either.

    Raises:
        ConfigError: If there is none, or more than one.
    """
    text = wanted.strip()
    if not text or not all(c.isalnum() or c in "-_" for c in text):
        raise ConfigError(f"{wanted!r} is not a run id; `multihead runs` lists them.")
    with store.errors():
        experiments = [e.experiment_id for e in store.client.search_experiments()]
        by_tag = f"tags.`{RUN_TAG}` LIKE '{text}%'"
        runs = list(store.client.search_runs(experiments, by_tag, max_results=3))
        by_id = f"attributes.run_id LIKE '{text}%'"
        runs += store.client.search_runs(experiments, by_id, max_results=3)
    # In SQL's LIKE an underscore stands for any character.
    ids = [(r.info.run_id, r.data.tags.get(RUN_TAG, "")) for r in runs]
    runs = [r for r, both in zip(runs, ids, strict=True) if any(i.startswith(text) for i in both)]
    exact = [r for r in runs if text in (r.info.run_id, r.data.tags.get(RUN_TAG))]
    found = {r.info.run_id: r for r in exact or runs}
    if not found:
        raise ConfigError(
            f"there is no run {wanted!r} in {store.shown_uri}; `multihead runs` lists them."
        )
    if len(found) > 1:
        raise ConfigError(f"{wanted!r} fits {len(found)} runs or more; give more of the id.")
    return next(iter(found.values()))
