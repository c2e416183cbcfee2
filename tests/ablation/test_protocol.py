"""The rules of a fair comparison, and what meets them."""

import pandas as pd
import pytest
from tests.conftest import Run

from multihead.ablation.collect import steps_of
from multihead.ablation.protocol import equal_steps
from multihead.tracking.store import Store


@pytest.mark.parametrize(
    ("steps", "met", "reason"),
    [
        ((40, 40), True, "40 steps in 5 epochs"),
        ((40, 80), False, "40 to 80 steps in 5 epochs"),
        ((40, None), False, "the steps of 1 of 2 trainings were not recorded; 5 epochs"),
    ],
)
def test_the_same_epochs_are_not_the_same_steps(
    steps: tuple[int | None, ...], met: bool, reason: str
) -> None:
    """Half the batch size is twice the steps."""
    runs = pd.DataFrame({"state": "FINISHED", "epochs": 5, "steps": steps})
    check = equal_steps(runs)
    assert (check.met, check.reason) == (met, reason)


def test_steps_are_read_from_the_record(train: Run, store: Store) -> None:
    """Of 128 images: two epochs of four batches."""
    result = train("trainer.max_epochs=2", "data.batch_size=32", "test=false")
    assert steps_of(store.client.get_run(result.mlflow_id), store) == 8
