"""The ablation's own run in MLflow: parent of its trainings, with its file and its tables."""

import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import yaml

from multihead.ablation.definition import Definition
from multihead.ablation.plan import Plan
from multihead.ablation.records import ABLATION_TAG, PARENT_KIND, our_id, parents_of
from multihead.ablation.result import Result
from multihead.runs.fingerprint import settings_hash
from multihead.tracking.run import TrackedRun
from multihead.tracking.store import Store

FOLDER = "ablation"
_SINCE = "multihead.selected."


class AblationRecord:
    """Open an ablation's run: a new one, or the one that is there.

    Args:
        plan: Of the ablation.
        store: Where its runs are.

    Raises:
        StoreError: If another command runs the ablation, or the store refuses.
    """

    def __init__(self, plan: Plan, store: Store) -> None:
        name, base = plan.definition.name, plan.base
        config = {"ablation": plan.definition.model_dump(mode="json")}
        config |= {key: base[key] for key in ("logger", "paths")}
        here = [r for r in parents_of(store, name) if (store.home / our_id(r)).is_dir()]
        if here:
            self.run = TrackedRun.reopen(store, our_id(here[0]), config)
        else:
            experiment = base["logger"]["experiment_name"]
            tags = {ABLATION_TAG: name}
            self.run = TrackedRun.create(
                store, experiment, config, name=name, kind=PARENT_KIND, tags=tags
            )
        known = selected(store, name)
        hashes = {settings_hash(cell.config) for cell in plan.cells} - set(known)
        now = datetime.now(UTC).isoformat()
        self.run.set_tags({f"{_SINCE}{each}": now for each in sorted(hashes)})

    def write(self, result: Result) -> None:
        """Attach file, tables and listing of the runs."""
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            (folder / f"{result.name}.yaml").write_text(result.definition, encoding="utf-8")
            for name, table in tables_of(result):
                table.to_csv(folder / f"{name}.csv", index=False)
            for path in sorted(folder.iterdir()):
                self.run.log_file(path, FOLDER)


def tables_of(result: Result) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the tables of a result by name."""
    yield "values", result.values
    yield "runs", result.runs
    yield "curves", result.curves
    yield "test_reads", result.test_reads
    yield "statistics", result.comparison.table
    yield "summary", result.comparison.summary


def selected(store: Store, ablation: str) -> Mapping[str, pd.Timestamp]:
    """Return when each configuration became part of an ablation, by its settings hash."""
    found: dict[str, pd.Timestamp] = {}
    for run in parents_of(store, ablation):
        for tag, value in run.data.tags.items():
            if tag.startswith(_SINCE):
                found.setdefault(tag.removeprefix(_SINCE), pd.Timestamp(value))
    return found


def definition_text(definition: Definition) -> str:
    """Return a definition as the YAML of its file, with what the command line changed."""
    return yaml.safe_dump(
        definition.model_dump(mode="json", exclude_defaults=True), sort_keys=False
    )
