"""What the workers are handed: whatever was begun goes on."""

import json

import pytest
from tests.ablation.definitions import define
from tests.tracking.faults import told_to_end_while_finishing

from multihead.ablation.plan import prepare
from multihead.ablation.records import ARM_KIND, search
from multihead.ablation.runner import Runner
from multihead.ablation.worker import CELLS_FILE, CellFile, State, Work, main
from multihead.tracking.store import Store

ARMS = {"uniform": {}, "other": {"overrides": ["data.batch_size=16"]}}


@pytest.mark.parametrize(
    ("state", "kept"), [("RUNNING", "begun"), ("FAILED", None), ("FINISHED", None)]
)
def test_a_run_is_kept_however_often_the_command_is_killed_before_a_worker_claims_it(
    store: Store, state: State, kept: str | None
) -> None:
    """Each command writes PENDING first, and may die there."""
    plan = prepare(define(arms=ARMS, baseline="uniform"))
    runner, cell = Runner(plan, store, "parent"), plan.cells[0]
    runner.hand_out([cell])
    (task,) = json.loads((runner.folder / CELLS_FILE).read_text())
    CellFile(runner.folder, task["name"]).write(Work(state, "begun", attempts=1))
    for _ in range(3):
        runner.hand_out([cell])
        assert runner.states([cell])[cell.name] == Work("PENDING", kept)


@pytest.mark.slow
def test_a_worker_that_is_told_to_end_while_a_run_is_finished_trains_no_other_cell(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = prepare(define(arms=ARMS, baseline="uniform"))
    runner, cells = Runner(plan, store, "parent"), plan.cells[:2]
    runner.hand_out(cells)
    with told_to_end_while_finishing(monkeypatch):
        assert main(runner.folder) == 143
    (run,) = search(store, f"tags.`multihead.kind` = '{ARM_KIND}'")
    assert run.info.status == "FINISHED"
    assert main(runner.folder) == 0
    assert [work.state for work in runner.states(cells).values()] == ["FINISHED"] * 2
    assert len(list(search(store, f"tags.`multihead.kind` = '{ARM_KIND}'"))) == 2
