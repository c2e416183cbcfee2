"""Find an ablation's runs in the store by what they trained, whichever command started them."""

from collections.abc import Iterator, Sequence
from typing import Any

from multihead import __version__
from multihead.metrics import registry
from multihead.runs.fingerprint import HASH_TAG, SETTINGS_TAG
from multihead.tracking.newest import runs_with
from multihead.tracking.store import Store
from multihead.tracking.tags import KIND_TAG, METRICS_TAG, RUN_TAG

ABLATION_TAG, ARM_TAG, HEAD_TAG = "multihead.ablation", "multihead.arm", "multihead.head"
PARENT_TAG = "mlflow.parentRunId"
TRAIN_DIGEST, TEST_DIGEST = "data.train_digest", "data.test_digest"
VERSION_TAG = "multihead.version"
PARENT_KIND, ARM_KIND = "ablation", "arm"
_NO_TRAINING = ("evaluation", PARENT_KIND, "study")
_PAGE = 1000


def search(store: Store, condition: str) -> Iterator[Any]:
    """Yield the MLflow runs of all experiments that match a condition, the oldest first."""
    with store.errors():
        experiments = [e.experiment_id for e in store.client.search_experiments()]
        token = None
        while True:
            page = store.client.search_runs(
                experiments,
                condition,
                max_results=_PAGE,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            for run in page:
                registry.learn(run.data.tags.get(METRICS_TAG, ""))
                yield run
            token = page.token
            if not token:
                return


def parents_of(store: Store, ablation: str) -> list[Any]:
    """Return the ablation's own runs, the oldest first."""
    found = runs_with(store, {ABLATION_TAG: ablation, KIND_TAG: PARENT_KIND})
    if found is None:
        condition = f"tags.`{ABLATION_TAG}` = '{ablation}' AND tags.`{KIND_TAG}` = '{PARENT_KIND}'"
        return list(search(store, condition))
    for run in found:
        registry.learn(run.data.tags.get(METRICS_TAG, ""))
    return list(found)


def trainings(
    store: Store, settings: Sequence[str], *, any_version: bool
) -> dict[tuple[str, str, str], list[Any]]:
    """Return the trainings with these settings, by (config hash, training digest, test digest).

    Args:
        store: The store with the runs.
        settings: Results of `settings_hash`.
        any_version: Whether runs of other versions of the package count.
    """
    found: dict[tuple[str, str, str], list[Any]] = {}
    for each in dict.fromkeys(settings):
        for run in search(store, f"tags.`{SETTINGS_TAG}` = '{each}'"):
            tags = run.data.tags
            if tags.get(KIND_TAG) in _NO_TRAINING:
                continue
            if any_version or tags.get(VERSION_TAG) == __version__:
                key = (tags[HASH_TAG], tags.get(TRAIN_DIGEST, ""), tags.get(TEST_DIGEST, ""))
                found.setdefault(key, []).append(run)
    return found


def is_result(run: Any) -> bool:
    """Return whether a run was trained to its end and tested."""
    tested = any(name.startswith("test/") for name in run.data.metrics)
    return run.info.status == "FINISHED" and tested


def our_id(run: Any) -> str:
    """Return the multihead id of an MLflow run."""
    return str(run.data.tags.get(RUN_TAG, ""))
