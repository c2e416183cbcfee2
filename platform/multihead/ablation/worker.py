"""A process that trains cells of an ablation until none is left: `python -m ...worker FOLDER`.

The worker that holds the lock of a cell's file trains the cell. The operating system frees the lock
when a process ends, whatever the cause. The file contains the id of the cell's run, and it is
written before the run starts. So the next worker can continue the run from its last checkpoint.
"""

from multihead.garbage import collect_all_rarely

if __name__ == "__main__":
    collect_all_rarely()  # before the libraries are imported

import json
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from multihead import settings
from multihead.ablation.records import ARM_KIND
from multihead.data.datamodule import MultiheadDataModule
from multihead.errors import (
    CheckpointError,
    ConfigError,
    MultiheadError,
    StoreError,
    message_of,
)
from multihead.files import inside, write_text_atomically
from multihead.runs.api import resumed_config
from multihead.runs.collector import few_collections
from multihead.runs.execute import Membership, execute
from multihead.runs.trust import targets_of
from multihead.terminal.lines import say
from multihead.terminal.streams import keep_log
from multihead.tracking.folder import RunFolder, run_path
from multihead.tracking.run import new_run_id
from multihead.training.interrupts import Interrupts, RunInterrupted

CELLS_FILE = "cells.json"
_RETRIES = 3
_WATCH_SECONDS = 2.0
State = Literal["PENDING", "RUNNING", "FINISHED", "FAILED"]


@dataclass(frozen=True)
class Work:
    """The state of a cell on this machine, as stored in its file.

    Attributes:
        state: The state. It stays RUNNING if the process died.
        run: The id of the run, or None before there is one.
        attempts: Number of processes that tried to train the cell.
        reason: The reason if the state is FAILED.
        began: Start time of the last attempt, in seconds since 1970.
    """

    state: State = "PENDING"
    run: str | None = None
    attempts: int = 0
    reason: str = ""
    began: float = 0.0


class CellFile:
    """The file of a cell, and its lock.

    Args:
        folder: Folder of the ablation.
        name: Name of the cell.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self.path = name, inside(folder / "cells", f"{name}.json", "a cell")
        self.lock = FileLock(self.path.with_suffix(".lock"))

    def read(self) -> Work:
        """Return the state of the cell; PENDING if the file does not exist.

        Raises:
            ConfigError: If the file is damaged.
        """
        try:
            return Work(**json.loads(self.path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return Work()
        except (ValueError, TypeError, RecursionError) as error:
            raise ConfigError(
                f"{self.path} is damaged; delete it, then the cell is trained again."
            ) from error

    def write(self, work: Work) -> None:
        """Replace the content of the file."""
        write_text_atomically(self.path, json.dumps(asdict(work)))


@dataclass(frozen=True)
class Task:
    """A cell in the form that workers read.

    Attributes:
        name: Name of the cell.
        config: Configuration of its run.
        tags: Tags of its run.
    """

    name: str
    config: Mapping[str, Any]
    tags: Mapping[str, str]


def tasks_in(folder: Path) -> list[Task]:
    """Return the cells that the workers have to train."""
    return [Task(**each) for each in json.loads((folder / CELLS_FILE).read_text())]


def work(folder: Path, interrupts: Interrupts) -> None:
    """Train cells until each one has ended or has another worker.

    Args:
        folder: Folder of the ablation.
        interrupts: Records the signals that this process receives.

    Raises:
        StoreError: If the home cannot be written to.
        RunInterrupted: After SIGTERM or Ctrl-C. A checkpoint is saved, so the run can continue.
    """
    opened: dict[str, MultiheadDataModule] = {}
    with few_collections():
        for task, file in _claimed(folder):
            interrupts.obey()  # no other cell starts, even if some code caught the exception
            _train(task, file, opened)


def _claimed(folder: Path) -> Iterator[tuple[Task, CellFile]]:
    for task in tasks_in(folder):
        file = CellFile(folder, task.name)
        try:
            file.lock.acquire(timeout=0)
        except Timeout:
            continue
        try:
            if file.read().state in ("PENDING", "RUNNING"):
                yield task, file
        finally:
            file.lock.release()


def _train(task: Task, file: CellFile, opened: dict[str, MultiheadDataModule]) -> None:
    before = file.read()
    if before.attempts > _RETRIES:
        reason = f"its worker died {before.attempts} times"
        file.write(replace(before, state="FAILED", reason=reason))
        return
    run = before.run or new_run_id()
    mine = Work("RUNNING", run, before.attempts + 1, began=time.time())
    file.write(mine)
    try:
        _attempt(task, run, opened)
    except RunInterrupted:
        file.write(replace(mine, attempts=before.attempts))
        raise
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001 - an arm may run any code; its failure is recorded
        if not isinstance(error, MultiheadError):
            traceback.print_exc()
        reason = f"{type(error).__name__}: {message_of(error)}"[:1000]
        file.write(replace(mine, state="FAILED", reason=reason))
    else:
        file.write(replace(mine, state="FINISHED"))


def _attempt(task: Task, run: str, opened: dict[str, MultiheadDataModule]) -> None:
    """Start the cell's run, or continue the run of an earlier attempt."""
    member = Membership(ARM_KIND, run, task.tags, opened=opened)
    home = settings.home_folder(task.config["paths"]["home"])
    folder = RunFolder(run_path(home, run, f"the run of the cell {task.name}"))
    if not folder.spool.is_file():
        shutil.rmtree(folder.path, ignore_errors=True)
        execute(task.config, member=member)
        return
    if folder.history().status == "FINISHED":  # the process died before it wrote the cell's file
        return
    config = dict(task.config)
    with suppress(CheckpointError):  # without a checkpoint, the same run starts anew
        _, config = resumed_config(run, [f"paths.home={home}"], trust=targets_of(config))
    execute(config, resume=run, member=member)


def _follow(parent: int) -> None:
    """Interrupt this process when the command that started it has ended."""
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def main(folder: Path) -> int:
    """Run a worker, and return the exit code."""
    interrupts = Interrupts()
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()
    try:
        with interrupts.installed():
            work(folder, interrupts)
    except MultiheadError as error:
        say(f"worker {os.getpid()}: {message_of(error)}", err=True)
        return 2
    except RunInterrupted as stop:
        return stop.exit_code
    return 0


if __name__ == "__main__":
    keep_log()
    sys.exit(main(Path(sys.argv[1])))
