"""What cannot run is refused before a run is recorded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conftest import DIGITS, Run

from multihead import run
from multihead.errors import CheckpointError, MultiheadError
from multihead.runs.build import build
from multihead.runs.config import compose_run
from multihead.training.checkpoints import read_checkpoint


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("+model.loss_weights.size=1", r"names head 'size'"),
        ("+model.criteria.size={_target_: torch.nn.CrossEntropyLoss}", r"criteria names head"),
        ("model.loss_weights.digit=-1", r"loss_weights\.digit is -1"),
        ("model.loss_weights.digit=nan", r"loss_weights\.digit is nan"),
        ("data.train_val_test_split=[1400,100,10]", r"asks for 1,400 \+ 100 samples"),
        ("data.train_val_test_split=[100,100,400]", r"asks for 400 samples of the test file"),
        ("data.train_val_test_split=[100,100,0]", r"has no test images"),
        ("data.heads.thickness.map={0: 9}", r"class 9, outside the classes 0 to 4"),
        ("+data.heads.size.map=[0,1]", r"data\.heads\.size\.map does not cover label 2"),
        ("+model.net.input_size=28", r"takes images of 1 x 28 x 28"),
        ("+model.net.input_channels=3", r"takes images of 3 x 8 x 8"),
        ("+model.net.heads_config={digit: 10}", r"but the network has \['digit'\]"),
        ("model.criteria.digit._target_=torch.nn.MSELoss", r"criteria do not fit the data"),
        ("callbacks.early_stopping.monitor=val/digit_ac", r"did you mean 'val/digit_acc'"),
        ("callbacks.model_checkpoint.monitor=val/los", r"did you mean 'val/loss'"),
        ("callbacks.model_checkpoint.mode=best", r"mode is 'best'"),
        ("model.scheduler_monitor=loss", r"model\.scheduler_monitor is 'loss'"),
        ("optimized_metric=val/f1", r"optimized_metric is 'val/f1'"),
        ("+trainer.limit_val_batches=0", r"will not log"),
        ("trainer.accelerator=gpu", r"trainer cannot be built"),
        ("trainer.precision=17", r"trainer\.precision is 17"),
        ("model.net.dropout=2", r"model\.net cannot be built: dropout probability"),
        ("seed=-1", r"seed is -1"),
        ("model.optimizer.lr=-1", r"model\.optimizer cannot be built: Invalid learning rate"),
        ("model.optimizer.lr=0", r"lr is 0, so no weight would change"),
        ("+model.criteria.digit.label_smoothing=-1", r"CrossEntropyLoss is -1; .*from 0 to 1"),
        ("model.scheduler.factor=1.5", r"model\.scheduler cannot be built: Factor should be"),
        ("model.scheduler_interval=step", r"set it to epoch"),
        ("trainer.max_epochs=0", r"max_epochs is 0"),
        ("trainer.max_epochs=null", r"nothing would end the training"),
        ("trainer.min_epochs=99", r"min_epochs is 99, but max_epochs 30"),
        ("trainer.gradient_clip_val=-1", r"clips nothing"),
        ("trainer.check_val_every_n_epoch=99", r"never validates: .*is 99, but max_epochs 30"),
        ("+trainer.max_steps=0", r"max_steps is 0"),
        ("trainer.check_val_every_n_epoch=0", r"give 1 or more, or limit_val_batches=0"),
        ("+trainer.overfit_batches=0.0001", r"less than one batch of the training"),
        ("+trainer.overfit_batches=0.6", r"less than one batch of the validation \(1 in all"),
        ("+trainer.logger=true", r"trainer\.logger cannot be set"),
        ("data.pin_memory=no", r"is the text 'no'; write data\.pin_memory=false"),
        ("trainer.max_epochs=010", r"is the text '010'; write trainer\.max_epochs=10"),
        ("model.criteria.digit=x", r"give a mapping with _target_"),
        ("data.memory_budget_mb=-1", r"give 0 or more"),
        ("+model.optimizer.differentiable=true", r"optimizer cannot be built: .*fused"),
        ("model.loss_weights=[1]", r"is a mapping, and cannot be a list"),
        ("+trainer.max_time=1", r"max_time is 1; write days"),
        ("+trainer.limit_train_batches=0", r"no batch would be trained on"),
        ("+trainer.limit_test_batches=0", r"or test=false"),
        ("+trainer.limit_val_batches=0.001", r"less than one"),
        ("+trainer.val_check_interval=99", r"an epoch has 4 batches"),
        ("callbacks.early_stopping.mode=min", r"val/acc_best is better when higher"),
        ("callbacks.early_stopping.monitor=lr", r"not known whether higher or lower is better"),
        ("data.batch_size=99999999999999999999", r"too many digits"),
        ("test=on", r"test is 'on': .*write test=true"),
        ("seed=007", r"write seed=7, without quotes and leading zeros"),
        ("seed=1e1", r"write seed=10"),
        ("name=1e-4", r"'name=\"0\.0001\"'"),
        ("name=a=b", r"must be in quotes; write 'name=\"a=b\"'"),
        ("name=run äöü", r"'name=\"run äöü\"'"),
        ("tags=[a=b]", r"'tags=\[\"a=b\"\]'"),
        ("name=a,b", r"Add -m to train with each of them"),
        ("trainer=null", r"trainer is a config group"),
        ("name=${nothing}", r"Interpolation key 'nothing' not found"),
        ("foo", r"'foo' is not an override; write key=value"),
        ("sed=1", r"did you mean 'seed'\?\); allowed: seed, .* and \d more, see docs/conf"),
        ("+callbacks.telemetry.every=0", r"callbacks\.telemetry\.every is 0; give 1 or more steps"),
        ("+trainer.deterministic=wrn", r"deterministic is 'wrn': .*'warn'"),
        ("+trainer.accumulate_grad_batches=0", r"accumulate_grad_batches is 0"),
        ("trainer.accelerator=tpu", r"trainer cannot be built: .*torch_xla"),
        ("+trainer.max_time={days: 10000000000}", r"trainer cannot be built: .*too large"),
        ("+callbacks.odd={_target_: lightning.pytorch.callbacks.Timer, _partial_: true}", "makes"),
        ("+callbacks.odd={_target_: lightning.pytorch.callbacks.Timer, 1: 2}", "no key 1"),
        ("name=" + "x" * 1001, r"name is 'xxx.*give up to 1,000 characters"),
        ("name='a\0'", r"name is 'a.x00'; give up to"),
        ("tags=['lr=0.1']", r"tags has 'lr=0\.1'"),
        ("logger.tracking_uri='http://[x'", r"is not valid: Invalid IPv6"),
        ("data.batch_size=true", r"data\.batch_size is true"),
        ("data.heads.thickness.num_classes=5.7", r"num_classes is 5\.7"),
        ("+data.heads.size=4", r"data\.heads\.size is 4"),
        ("+data.heads.size={map: 5}", r"data\.heads\.size\.map is 5"),
        ("model.net.head_hidden=0", r"head_hidden is 0"),
        ("model.criteria.digit._target_=torch.nn", r"is not a class or function"),
        ("train=false", r"name a checkpoint"),
        ("logger.tracking_uri=ftp://host/db", r"of an unknown kind; allowed are sqlite"),
        ("logger.tracking_uri=./mlruns", r"of an unknown kind"),
        ("logger.tracking_uri=postgresql://", r"'postgresql://' names no host and no database"),
    ],
)
def test_what_cannot_run_is_refused_before_a_run_is_recorded(
    home: Path, override: str, message: str
) -> None:
    if "accelerator=gpu" in override and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(MultiheadError, match=message) as caught:
        run([*DIGITS, override])
    assert "\n" not in str(caught.value)
    assert {p.name for p in home.iterdir()} <= {"mlflow.db", ".store.lock"}


def test_a_home_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(MultiheadError, match=r"cannot be a folder.*MULTIHEAD_HOME"):
        run([*DIGITS, f"paths.home={tmp_path}/file/runs"])


def test_a_checkpoint_of_another_architecture_names_the_first_difference(train: Run) -> None:
    made = train("model.net.fc_hidden=32")
    config = compose_run([*DIGITS, f"ckpt_path={made.best_checkpoint}"])
    with pytest.raises(CheckpointError, match=r"of another architecture: net\.backbone\..*weight"):
        build(config)


def test_a_damaged_checkpoint_is_refused(home: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.ckpt").write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match=r"bad\.ckpt"):
        build(compose_run([*DIGITS, f"ckpt_path={tmp_path}/bad.ckpt"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("multihead"), "does not name its heads"),
        (lambda c: c.update(multihead=5), "does not name its heads"),
        (lambda c: c.update(state_dict=5), "has no state_dict"),
        (lambda c: c.pop("loops"), "loops is missing"),
        (lambda c: c.update(callbacks=5), "no training can be resumed"),
        (lambda c: c.pop("pytorch-lightning_version"), "no training can be resumed"),
        (lambda c: c.update(optimizer_states=[{}]), "state of another optimizer"),
    ],
)
def test_a_checkpoint_without_a_training_is_refused(
    train: Run, tmp_path: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    checkpoint = read_checkpoint(str(train().best_checkpoint))
    change(checkpoint)
    torch.save(checkpoint, tmp_path / "odd.ckpt")
    with pytest.raises(CheckpointError, match=message):
        build(compose_run([*DIGITS, f"ckpt_path={tmp_path}/odd.ckpt"]))


def test_the_checkpoint_of_another_optimizer_is_refused(train: Run) -> None:
    made = train()
    sgd = ["model.optimizer._target_=torch.optim.SGD", "+model.optimizer.momentum=0.9"]
    with pytest.raises(CheckpointError, match="another optimizer than SGD"):
        build(compose_run([*DIGITS, f"ckpt_path={made.best_checkpoint}", *sgd]))
