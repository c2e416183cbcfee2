"""Trainings on sets in shards: killed ones go on with exactly what is left of the epoch."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.buckets import BUCKET, s3_server
from tests.shards import rows, write_shards

from multihead import run
from multihead.errors import ConfigError, DataUnreachableError
from multihead.runs.evaluation import evaluation_config
from multihead.runs.execute import execute
from multihead.runs.numerics import own_threads_afterwards
from multihead.training.interrupts import StopOnSignal

SETTINGS = (
    "experiment=vimh_cnn",
    "data=vimh_stream",
    "data.batch_size=6",
    "data.shuffle_rows=20",
    "trainer.max_epochs=3",
    "trainer.accelerator=cpu",
    "callbacks=default",
    "optimized_metric=val/acc_best",
    "test=false",
)
BATCHES = 8  # of an epoch of 45 rows

# Writes the rows of each step to a file, and stops itself at a given one.
_STOP_AT = """
import os, sys
from tests.shards import rows
from multihead.training import interrupts
step, number, path, *overrides = sys.argv[1:]
plain = interrupts.StopOnSignal.on_train_batch_end
def stop(self, trainer, module, outputs, batch, *rest):
    with open(path, "a") as file:
        print(*rows(batch), file=file)
    if trainer.global_step == int(step):
        os.kill(os.getpid(), int(number))
    plain(self, trainer, module, outputs, batch, *rest)
interrupts.StopOnSignal.on_train_batch_end = stop
from multihead.cli.main import main
main(["train", *overrides])
"""


class Steps:
    """The rows of each step, and what is to happen after one."""

    def __init__(self) -> None:
        self.rows: list[list[int]] = []
        self.then: dict[int, Any] = {}


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steps]:
    """Record the rows of each step of trainings in this process."""
    seen, plain = Steps(), StopOnSignal.on_train_batch_end

    def note(self: StopOnSignal, trainer: Any, module: Any, out: Any, batch: Any, n: int) -> None:
        seen.rows.append(rows(batch))
        plain(self, trainer, module, out, batch, n)
        seen.then.pop(len(seen.rows), lambda: None)()

    monkeypatch.setattr(StopOnSignal, "on_train_batch_end", note)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "lost"),
    [
        pytest.param(signal.SIGTERM, 0, id="SIGTERM, which writes a checkpoint"),
        pytest.param(signal.SIGKILL, 3, id="SIGKILL, which cannot"),
    ],
)
def test_a_killed_training_goes_on_with_the_rest_of_the_rows(
    home: Path, tmp_path: Path, steps: Steps, number: int, lost: int
) -> None:
    data = f"data.data_dir={write_shards(tmp_path / 'set')}"
    with own_threads_afterwards():
        torch.set_num_threads(1)  # as the one that is killed has; what resumes it may have more
        whole = run([*SETTINGS, data])
    sequence, steps.rows = steps.rows, []
    for epoch in range(3):
        part = sequence[epoch * BATCHES : (epoch + 1) * BATCHES]
        assert len(set(chain(*part))) == len(list(chain(*part))) == 45
    assert sequence[:BATCHES] != sequence[BATCHES : 2 * BATCHES]

    step = BATCHES + 3  # in the middle of the second epoch
    log = tmp_path / "rows"
    command = [sys.executable, "-c", _STOP_AT, str(step), str(int(number)), str(log)]
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    stopped = subprocess.run(
        [*command, *SETTINGS, data],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert stopped.returncode in (143, -9), stopped.stderr
    before = [list(map(int, line.split())) for line in log.read_text().splitlines()]
    assert before == sequence[:step]

    run_id = re.search(r"^run (\S+)", stopped.stdout, re.MULTILINE)[1]
    resumed = run([f"resume={run_id}"])
    assert before[: step - lost] + steps.rows == sequence
    assert resumed.metrics == whole.metrics


@pytest.mark.slow
def test_a_training_whose_storage_went_away_goes_on_when_it_is_back(
    home: Path, tmp_path: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run([*SETTINGS, f"data.data_dir={write_shards(tmp_path / 'set')}"])
    sequence, steps.rows = steps.rows, []
    where = f"s3://{BUCKET}/set"
    with s3_server(monkeypatch) as server:
        write_shards(where)
        steps.then[BATCHES + 2] = server.kill
        with pytest.raises(DataUnreachableError, match="cannot be read, after several tries"):
            run([*SETTINGS, f"data.data_dir={where}"])
        stopped = len(steps.rows)
        assert BATCHES < stopped < 2 * BATCHES
        server.start()
        server.make_bucket()
        write_shards(where)
        (run_id,) = {path.parent.parent.name for path in home.glob("*/checkpoints/last.ckpt")} - {
            whole.run_id
        }
        resumed = run([f"resume={run_id}"])
    assert steps.rows == sequence
    assert resumed.metrics == whole.metrics


@pytest.mark.slow
def test_two_devices_train_on_a_streamed_set_and_test_all_of_it(home: Path, tmp_path: Path) -> None:
    data = f"data.data_dir={write_shards(tmp_path / 'set')}"
    exact = [*SETTINGS, data, "trainer.precision=32-true", "trainer.max_epochs=1", "test=true"]
    two = run([*exact, "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"])
    alone = ("trainer.strategy=auto", "trainer.devices=1")
    assert two.run_id is not None
    one = execute(evaluation_config(two.run_id, alone))
    for name in ("test/low_loss", "test/high_loss", "test/low_acc"):
        assert two.metrics[name] == pytest.approx(one.metrics[name], rel=1e-5), name


def test_devices_share_batches_of_a_streamed_set_equally(home: Path, tmp_path: Path) -> None:
    data = f"data.data_dir={write_shards(tmp_path / 'set')}"
    with pytest.raises(ConfigError, match="batch_size is 7 for 2 devices"):
        run([*SETTINGS, data, "trainer=ddp", "trainer.devices=2", "data.batch_size=7"])
