"""The ablation's own run in MLflow: the parent of its trainings, with its file and tables."""

import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import yaml

from multihead.ablation.definition import Definition
from multihead.ablation.plan import Plan
from multihead.ablation.records import ABLATION_TAG, PARENT_KIND, our_id, parents_of
from multihead.errors import StoreError
from multihead.markdown import code, escaped, line_by_line
from multihead.runs.fingerprint import settings_hash
from multihead.tracking.folder import run_path
from multihead.tracking.run import TrackedRun
from multihead.tracking.secrets import typed_command
from multihead.tracking.store import Store
from multihead.tracking.tags import DESCRIPTION_TAG

FOLDER = "ablation"
_SINCE = "multihead.selected."


class AblationRecord:
    """Open an ablation's run. It is created if it does not exist.

    Args:
        plan: Plan of the ablation.
        store: The store with its runs.

    Raises:
        StoreError: If another command runs the ablation, or the store reports an error.
    """

    def __init__(self, plan: Plan, store: Store) -> None:
        name = plan.definition.name
        config = {"ablation": plan.definition.model_dump(mode="json"), **plan.base.places}
        tagged = [r for r in parents_of(store, name) if our_id(r)]
        here = [r for r in tagged if run_path(store.home, our_id(r), "an ablation's run").is_dir()]
        if here:
            self.run = TrackedRun.reopen(store, our_id(here[0]), config)
        else:
            experiment, tags = plan.base.logger.experiment_name, {ABLATION_TAG: name}
            self.run = TrackedRun.create(
                store, experiment, config, name=name, kind=PARENT_KIND, tags=tags
            )
        known = selected(store, name)
        hashes = {settings_hash(cell.config.composed) for cell in plan.trainable} - set(known)
        now = datetime.now(UTC).isoformat()
        self.run.set_tags({f"{_SINCE}{each}": now for each in sorted(hashes)})
        self.run.set_tags({DESCRIPTION_TAG: _begun(plan.definition)})
        with tempfile.TemporaryDirectory(dir=self.run.folder, prefix=".ablation.") as scratch:
            path = Path(scratch) / f"{name}.yaml"
            path.write_text(definition_text(plan.definition), encoding="utf-8")
            self.run.log_file(path, FOLDER)

    @property
    def mlflow_id(self) -> str:
        """MLflow's id of the run.

        Raises:
            StoreError: If the store has not created the run yet.
        """
        if self.run.mlflow_id is None:
            raise StoreError(
                f"the store {self.run.store.shown_uri} is too slow to create the ablation's run; "
                f"run the command again when the store responds."
            )
        return self.run.mlflow_id


def _begun(definition: Definition) -> str:
    """Return a description of an ablation as Markdown. Its report later replaces this text."""
    arms = ", ".join(escaped(arm) for arm in definition.arms)
    opening = [
        f"**Ablation {escaped(definition.name)}**: {arms}; baseline {escaped(definition.baseline)}",
        "It is training, or was stopped before it wrote its report.",
        f"{code(typed_command())} continues.",
    ]
    return line_by_line(*opening)


def selected(store: Store, ablation: str) -> Mapping[str, pd.Timestamp]:
    """Return when each configuration became part of an ablation, by its settings hash."""
    found: dict[str, pd.Timestamp] = {}
    for run in parents_of(store, ablation):
        for tag, value in run.data.tags.items():
            if tag.startswith(_SINCE):
                found.setdefault(tag.removeprefix(_SINCE), pd.Timestamp(value))
    return found


def definition_text(definition: Definition) -> str:
    """Return a definition as YAML, including the changes from the command line."""
    content = definition.model_dump(mode="json", exclude_defaults=True)
    text: str = yaml.safe_dump(content, sort_keys=False)
    return text
