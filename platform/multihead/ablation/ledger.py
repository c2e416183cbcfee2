"""List all recorded reads of a test split, by data digest and configuration.

The list comes from the runs alone. Every read of a test split leaves a run with `test/` metrics and
the digest of the data. The read can be a training, an evaluation or another ablation.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from multihead.ablation.plan import Plan
from multihead.ablation.records import (
    ABLATION_TAG,
    ARM_TAG,
    TEST_DIGEST,
    our_id,
    search,
)
from multihead.runs.fingerprint import HASH_TAG, SETTINGS_TAG, settings_hash
from multihead.tracking.store import Store
from multihead.tracking.tags import KIND_TAG, STUDY_TAG

COLUMNS = (
    *("read", "run", "mlflow_id", "kind", "ablation", "arm", "study"),
    *("test_digest", "config_hash", "settings_hash", "status"),
)


def ledger(store: Store, digests: Iterable[str]) -> pd.DataFrame:
    """Return all reads of test splits with these digests, the earliest first.

    Returns:
        A table with the columns `read` (end of the run, UTC), `run`, `mlflow_id`, `kind`,
        `ablation`, `arm`, `study`, `test_digest`, `config_hash`, `settings_hash` and `status`.
        `settings_hash` is the same for all seeds. Both hashes are empty for runs of old versions.
    """
    rows = [
        _row(run)
        for digest in sorted(set(digests))
        for run in search(store, f"tags.`{TEST_DIGEST}` = '{digest}'")
        if any(name.startswith("test/") for name in run.data.metrics)
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["read"] = pd.to_datetime(table["read"], unit="ms", utc=True)
    return table.sort_values("read", kind="stable", ignore_index=True)


def _row(run: Any) -> dict[str, Any]:
    tags = run.data.tags
    return {
        "read": run.info.end_time or run.info.start_time,
        "run": our_id(run),
        "mlflow_id": run.info.run_id,
        "kind": tags.get(KIND_TAG, ""),
        "ablation": tags.get(ABLATION_TAG, ""),
        "arm": tags.get(ARM_TAG, ""),
        "study": tags.get(STUDY_TAG, ""),
        "test_digest": tags[TEST_DIGEST],
        "config_hash": tags.get(HASH_TAG, ""),
        "settings_hash": tags.get(SETTINGS_TAG, ""),
        "status": run.info.status,
    }


def early_reads(
    table: pd.DataFrame, plan: Plan, selected: Mapping[str, pd.Timestamp]
) -> Mapping[str, pd.DataFrame]:
    """Return, by arm, the reads by its own configuration before the arm was selected.

    An arm that was tuned, or is the best trial of a study, is selected when its search ends. Other
    arms are selected when they become part of the ablation.

    Args:
        table: Result of `ledger`.
        plan: Plan of the ablation.
        selected: The time when each configuration became part of the ablation, by settings hash.
            The current time is used for configurations that are missing here.
    """
    now = pd.Timestamp.now(tz="UTC")
    found: dict[str, list[pd.DataFrame]] = {}
    for cell in {cell.part.name: cell for cell in plan.trainable}.values():
        result, settings = plan.tuned.get(cell.part.name), settings_hash(cell.config.composed)
        when = selected.get(settings, now)
        if result is not None:
            when = pd.Timestamp(result.ended, unit="s", tz="UTC")
        early = table[(table["settings_hash"] == settings) & (table["read"] < when)]
        if len(early):
            found.setdefault(cell.part.arm, []).append(early)
    return {arm: pd.concat(tables, ignore_index=True) for arm, tables in found.items()}
