"""Every reading of a test split that is on record, by data digest and configuration.

Nothing is kept beside the runs: whoever reads a test split here leaves a run with `test/` metrics
and the digest of the data, be it a training, an evaluation or another ablation.
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
    """Return every reading of test splits with these digests, the earliest first.

    Returns:
        `read` (UTC, when the run that read it ended), `run`, `mlflow_id`, `kind`, `ablation`,
        `arm`, `study`, `test_digest`, `config_hash` and `settings_hash` (the same for all
        seeds; both empty for runs of versions that did not record them), `status`.
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
    """Return, by arm, the readings by its own configuration before the arm was selected.

    An arm that was tuned, or is the best trial of a study, is selected when its search ended; any
    other one when it became part of the ablation.

    Args:
        table: From `ledger`.
        plan: Of the ablation.
        selected: When each configuration became part of it, by settings hash; those that are
            not there yet do now.
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
