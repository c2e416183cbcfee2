"""A resumed training uses the settings that it is given, or they are refused."""

from pathlib import Path

import pytest
from lightning.pytorch.callbacks import EarlyStopping
from tests.training.fits import fitted

from multihead.errors import CheckpointError

COSINE, STEP = "model/scheduler=cosine", "model/scheduler=step"
STOPPING = (
    "callbacks.early_stopping={_target_: lightning.pytorch.callbacks.EarlyStopping, "
    "monitor: val/acc_best, mode: max, min_delta: 1.0, patience: %d}"
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    fitted(folder, [], 1)
    return folder


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.optimizer.lr=0.5", r"trained with model\.optimizer\.lr=0\.002 and goes on with it"),
        ("model.optimizer.weight_decay=0.5", r"model\.optimizer\.weight_decay=0\.5 would have no"),
        ("+model.optimizer.eps=0.1", r"trained with model\.optimizer\.eps=null"),
        ("model.optimizer._target_=torch.optim.AdamW", r"model\.optimizer=AdamW would have no"),
        ("model.scheduler.patience=9", r"trained with model\.scheduler\.patience=2"),
        ("model.scheduler_monitor=val/acc", r"model\.scheduler_monitor=val/acc would have no"),
        (COSINE, r"trained with model\.scheduler=ReduceLROnPlateau"),
        ("model/scheduler=none", r"model\.scheduler=null would have no effect"),
    ],
)
def test_a_setting_that_the_checkpoint_brings_along_cannot_change(
    trained: Path, override: str, said: str
) -> None:
    with pytest.raises(CheckpointError, match=said):
        fitted(trained, [override], 2, resume=True)


@pytest.mark.parametrize(("scheduler", "said"), [(COSINE, "its T_max is 3"), (STEP, "step_size")])
def test_a_schedule_for_a_shorter_training_is_not_gone_on_with(
    tmp_path: Path, scheduler: str, said: str
) -> None:
    """A cosine would rise again after its end."""
    fitted(tmp_path, [scheduler], 3)
    with pytest.raises(CheckpointError, match=f"was made for a shorter training: .*{said}"):
        fitted(tmp_path, [scheduler], 6, resume=True)


def test_a_stopped_training_goes_on_with_more_patience(tmp_path: Path) -> None:
    stopped = fitted(tmp_path, [STOPPING % 1], 9)
    resumed = fitted(tmp_path, [STOPPING % 3], 9, resume=True)
    assert stopped.trainer.current_epoch == 2
    assert resumed.trainer.current_epoch == 4
    (callback,) = (c for c in resumed.trainer.callbacks if isinstance(c, EarlyStopping))  # type: ignore[attr-defined]
    assert callback.patience == 3
