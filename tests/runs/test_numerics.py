"""A run goes on with the threads and the precision of its record, or says that it does not."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from tests.conftest import DIGITS, Run, multihead
from tests.processor import set_instructions

from multihead import run
from multihead.runs.api import resumed_config
from multihead.runs.config import compose_run
from multihead.runs.execute import Membership, execute
from multihead.runs.numerics import THREADS, prepare, recorded_numerics
from multihead.runs.rerun import rerun
from multihead.runs.sections import RunConfig
from multihead.tracking.find import find_run
from multihead.tracking.store import Store
from multihead.training.checkpoints import read_checkpoint

INEXACT = "this run may differ slightly from one without a stop: "


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process of two threads on two cores, whatever this machine has."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


class Threads(Callback):
    """Notes the number of threads at each training step."""

    def __init__(self) -> None:
        self.seen: set[int] = set()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self.seen.add(torch.get_num_threads())


def _resumed(run_id: str, *overrides: str) -> tuple[set[int], tuple[str, ...]]:
    """Go on with a run; return the numbers of threads it had, and its notes."""
    seen = Threads()
    found, config = resumed_config(run_id, overrides)
    result = execute(config, resume=found, member=Membership(callbacks=[seen]))
    return seen.seen, result.notes


def _started_with(threads: int, train: Run, *overrides: str) -> Any:
    torch.set_num_threads(threads)
    result = train("test=false", *overrides)
    torch.set_num_threads(2)
    return result


def _forge(result: Any, **changed: str) -> None:
    """Change what a run's last checkpoint says of the machine, which is as good as another one."""
    last = result.folder / "checkpoints" / "last.ckpt"
    checkpoint = read_checkpoint(last)
    checkpoint["multihead"]["numerics"] |= changed
    torch.save(checkpoint, last)
    (result.folder / "checkpoints" / "SHA256SUMS").unlink()


def test_a_run_goes_on_with_its_own_threads_and_the_process_has_its_own_again(
    train: Run, store: Store
) -> None:
    first = _started_with(1, train)
    seen, notes = _resumed(first.run_id, "trainer.max_epochs=2")
    assert seen == {1}
    assert torch.get_num_threads() == 2
    assert not any(INEXACT in note for note in notes)
    assert find_run(store, first.run_id).data.tags[THREADS] == "1"
    seen, _ = _resumed(_started_with(2, train).run_id, "trainer.max_epochs=2")
    assert seen == {2}


def test_a_run_of_one_thread_that_goes_on_among_two_is_the_uninterrupted_one(train: Run) -> None:
    """In float32, where sums of one thread and of two differ within two epochs."""
    exact = ("trainer.precision=32-true", "data.batch_size=64")
    whole = _started_with(1, train, *exact, "trainer.max_epochs=3")
    first = _started_with(1, train, *exact, "trainer.max_epochs=2")
    assert run([f"resume={first.run_id}", "trainer.max_epochs=3"]).metrics == whole.metrics
    assert rerun(whole.run_id).metrics == whole.metrics
    assert train(*exact, "test=false", "trainer.max_epochs=3").metrics != whole.metrics


@pytest.mark.slow
def test_a_rerun_has_the_threads_and_the_precision_of_the_record(train: Run, store: Store) -> None:
    first = _started_with(1, train)
    for tag, value in {"precision": "32-true", "memory_format": "contiguous"}.items():
        store.client.set_tag(first.mlflow_id, tag, value)
    again = rerun(first.run_id)
    assert again.notes[0] == "nothing differs from the record"
    tags = find_run(store, again.run_id).data.tags
    assert (tags[THREADS], tags["precision"]) == ("1", "32-true")


def test_a_failed_run_gives_the_process_its_threads_back(train: Run) -> None:
    first = _started_with(1, train)

    class Fails(Callback):
        def on_train_start(self, *_: Any) -> None:
            raise ZeroDivisionError(torch.get_num_threads())

    run_id, config = resumed_config(first.run_id, ["trainer.max_epochs=2"])
    with pytest.raises(ZeroDivisionError, match="1"):
        execute(config, resume=run_id, member=Membership(callbacks=[Fails()]))
    assert torch.get_num_threads() == 2


def test_threads_that_cannot_be_had_are_named_in_one_line(train: Run) -> None:
    first = _started_with(1, train)
    _forge(first, **{THREADS: "3"})
    seen, notes = _resumed(first.run_id, "trainer.max_epochs=2")
    assert seen == {2}
    assert notes[0] == f"{INEXACT}threads: 3 then, 2 now"


@pytest.mark.parametrize("threads", ["3", "0", "-1", "9" * 5000, "many", "", "²"])
def test_a_number_of_threads_that_makes_no_sense_here_is_passed_over(threads: str) -> None:
    prepare(RunConfig.of(compose_run(DIGITS)), {THREADS: threads})
    assert torch.get_num_threads() == 2


@pytest.mark.slow
def test_another_processor_is_named_in_one_line_that_stays_on_record(
    train: Run, store: Store
) -> None:
    first = _started_with(2, train)
    _forge(first, **{"hardware.capability": "SVE256", "hardware.cpu": "A slow one"})
    _, notes = _resumed(first.run_id, "trainer.max_epochs=2")
    (line,) = [note for note in notes if note.startswith(INEXACT)]
    assert "instructions of the processor: SVE256 then" in line
    assert "processor: A slow one then" in line
    _, notes = _resumed(first.run_id, "trainer.max_epochs=3")
    assert not any(INEXACT in note for note in notes), "from this processor to this processor"
    assert find_run(store, first.run_id).data.tags["resumed.inexact"] == line


@pytest.mark.slow
def test_a_real_other_processor_is_told_apart(train: Run, home: Path) -> None:
    first = train("test=false", "trainer.precision=32-true")
    slower = {"ATEN_CPU_CAPABILITY": "default", "OMP_NUM_THREADS": "2"}
    resume = ["train", f"resume={first.run_id}", "trainer.max_epochs=2"]
    done = multihead(resume, folder=home, **slower)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if INEXACT in line]
    assert len(lines) == 1
    assert re.search(r"instructions of the processor: \S.* then, DEFAULT now", lines[0])


def test_auto_goes_on_with_the_precision_it_chose_where_the_machine_has_it(
    train: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"trainer.precision": "auto"}
    set_instructions(monkeypatch, "AVX512", amx_bf16=True)
    first = _started_with(2, train, *(f"{k}={v}" for k, v in config.items()))
    _, composed = resumed_config(first.run_id, [])
    before = recorded_numerics(first.folder, {})
    assert before["precision"] == "bf16-mixed"
    config = RunConfig.of(composed)
    exact = prepare(config, {**before, "precision": "32-true"})
    assert exact.trainer.precision == exact.composed["trainer"]["precision"] == "32-true"
    assert prepare(config, before).trainer.precision == "bf16-mixed"
    set_instructions(monkeypatch, "AVX2", amx_bf16=True)
    assert prepare(config, before).composed == composed
    assert prepare(config.with_precision("64-true"), before).trainer.precision == "64-true"
    _, notes = _resumed(first.run_id, "trainer.max_epochs=2")
    assert "precision: bf16-mixed then, 32-true now" in notes[0]
    assert "\n" not in notes[0]


def test_a_run_that_stopped_before_its_first_checkpoint_starts_with_its_own_threads(
    train: Run,
) -> None:
    first = _started_with(1, train)
    _, config = resumed_config(first.run_id, [])
    config["ckpt_path"] = None
    seen = Threads()
    execute(config, resume=first.run_id, member=Membership(callbacks=[seen]))
    assert seen.seen == {1}


def test_what_decides_rounding_is_in_the_folder_and_in_the_checkpoints(train: Run) -> None:
    first = _started_with(1, train)
    last = read_checkpoint(first.folder / "checkpoints" / "last.ckpt")
    own = last["multihead"]["numerics"]
    assert own[THREADS] == "1"
    assert set(own) >= {"precision", "memory_format", "hardware.device", "hardware.capability"}
    environment = first.folder / "environment.json"
    record = json.loads(environment.read_text())
    assert record["numerics"] == own
    assert record["hardware"]["threads"] == "1"


def test_records_of_before_and_damaged_ones_are_read_as_far_as_they_go(tmp_path: Path) -> None:
    file = tmp_path / "environment.json"
    assert recorded_numerics(tmp_path, {}) == {}
    old = {"precision": "32-true", "hardware": {"threads": "4", "cores": "8"}}
    file.write_text(json.dumps(old))
    assert recorded_numerics(tmp_path, {}) == {"precision": "32-true", THREADS: "4"}
    newer = {"multihead": {"numerics": {THREADS: "2", "precision": 3}}}
    assert recorded_numerics(tmp_path, newer) == {"precision": "32-true", THREADS: "2"}
    for damaged in ("{", "[]", '{"hardware": [], "numerics": 3}'):
        file.write_text(damaged)
        assert recorded_numerics(tmp_path, {"multihead": []}) == {}


@pytest.mark.slow
def test_processes_that_train_together_share_the_threads_and_change_nothing_of_this_one(
    home: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    two = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "test=false")
    first = run([*DIGITS, *two, "trainer.max_epochs=1"])
    assert find_run(store, first.run_id).data.tags[THREADS] == "1"
    assert torch.get_num_threads() == 2
    assert "OMP_NUM_THREADS" not in os.environ
    seen, _ = _resumed(first.run_id, "trainer.max_epochs=2")
    assert seen == {1}
