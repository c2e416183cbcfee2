"""What the workers are handed: whatever was begun goes on."""

import pytest
from tests.ablation.definitions import define

from multihead.ablation.plan import prepare
from multihead.ablation.runner import Runner
from multihead.ablation.worker import State, Work
from multihead.tracking.store import Store


@pytest.mark.parametrize(
    ("state", "kept"), [("RUNNING", "begun"), ("FAILED", None), ("FINISHED", None)]
)
def test_a_run_is_kept_however_often_the_command_is_killed_before_a_worker_claims_it(
    store: Store, state: State, kept: str | None
) -> None:
    """Each command writes PENDING first, and may die there."""
    plan = prepare(
        define(
            arms={"uniform": {}, "other": {"overrides": ["data.batch_size=16"]}}, baseline="uniform"
        )
    )
    runner, cell = Runner(plan, store, "parent"), plan.cells[0]
    runner._file(cell).write(Work(state, "begun", attempts=1))
    for _ in range(3):
        runner._hand_out([cell])
        assert runner.states([cell])[cell.name] == Work("PENDING", kept)
