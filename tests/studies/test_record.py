"""The run of a study says how the study ended."""

import signal
from typing import Any

import pytest

from multihead.studies.recover import seal_parent
from multihead.studies.runner import Ended
from multihead.tracking.find import find_run
from multihead.tracking.run import TrackedRun
from multihead.tracking.store import Store


@pytest.mark.parametrize(
    ("ended", "status", "tags"),
    [
        (Ended(None, None), "FINISHED", {"multihead.state": "COMPLETE"}),
        (
            Ended("5 minutes are over", None),
            "FINISHED",
            {"multihead.state": "STOPPED", "multihead.error": "5 minutes are over"},
        ),
        (
            Ended(None, signal.SIGTERM),
            "KILLED",
            {"multihead.state": "INTERRUPTED", "multihead.error": "interrupted by SIGTERM"},
        ),
    ],
    ids=["complete", "stopped", "interrupted"],
)
def test_the_reason_is_a_tag_only_if_the_study_ended_early(
    store: Store, ended: Ended, status: str, tags: dict[str, str]
) -> None:
    run = TrackedRun.create(store, "study", {"logger": {"tracking_uri": None}})
    seal_parent(run, ended.recorded_reason, interrupted=ended.signum is not None)
    found: Any = find_run(store, run.run_id)
    names = ("multihead.state", "multihead.error")
    assert found.info.status == status
    assert {name: found.data.tags[name] for name in names if name in found.data.tags} == tags
