"""Run the missing cells of an ablation on this machine: workers, and an eye on them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from types import FrameType

from multihead import __version__
from multihead.ablation.plan import Cell, Plan
from multihead.ablation.progress import Progress
from multihead.ablation.records import ABLATION_TAG, ARM_TAG, HEAD_TAG, PARENT_TAG, is_result
from multihead.ablation.worker import CELLS_FILE, CellFile, Work
from multihead.errors import StoreError
from multihead.files import write_text_atomically
from multihead.studies.devices import Places, threads, visible_gpus
from multihead.studies.recover import workers_of
from multihead.tracking.store import Store
from multihead.tracking.sync import reap_and_tell, sync
from multihead.training.interrupts import RunInterrupted

_LOOK_SECONDS = 0.3
_GRACE_SECONDS = 60
_EARLY_DEATHS = 5  # workers that may end in a row by an error without any cell ending in between


class Runner:
    """The workers of one command.

    Args:
        plan: Of the ablation.
        store: Where its runs are.
        parent: MLflow's id of the ablation's run.
    """

    def __init__(self, plan: Plan, store: Store, parent: str) -> None:
        self.plan, self.store, self.parent = plan, store, parent
        self.folder = store.home / "ablations" / plan.definition.name
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self.signum: int | None = None
        self._gpus = Places(workers_of(store), 1, visible_gpus())

    def missing(self) -> list[Cell]:
        """Return the cells to be trained, after what runs could not deliver is delivered."""
        reap_and_tell(self.store.home)
        runs = self.plan.on_record(self.store)
        missing = [cell for cell in self.plan.cells if not any(map(is_result, runs[cell.name]))]
        ended = [w.run for c in missing if (w := self._file(c).read()).state == "FINISHED"]
        known = [run for run in ended if run and (self.store.home / run).is_dir()]
        sent = [done for run in known for done in sync(self.store.home, run)]
        return self.plan.missing(self.store) if sent else missing

    def run(self, cells: Sequence[Cell], progress: Progress) -> dict[str, Work]:
        """Train cells; return what became of each, by name.

        Raises:
            StoreError: If workers die again and again, or the home cannot be written to.
            RunInterrupted: After a signal; the runs have checkpoints to go on from.
        """
        try:
            self._hand_out(cells)
            with self._signals():
                try:
                    self._watch(cells, progress)
                finally:
                    self._end_processes()
        except OSError as error:
            raise StoreError(f"{self.folder} cannot be written to ({error.strerror}).") from error
        progress.show(self.states(cells))
        if self.signum is not None:
            raise RunInterrupted(self.signum)
        return self.states(cells)

    def _file(self, cell: Cell) -> CellFile:
        # Another configuration, other data or another version must not go on with its run.
        version = "" if self.plan.definition.reuse == "any" else __version__
        digest = sha256(" ".join((*cell.identity, version)).encode()).hexdigest()
        return CellFile(self.folder, f"{cell.name}-{digest[:8]}")

    def _hand_out(self, cells: Sequence[Cell]) -> None:
        tasks = []
        for cell in cells:
            file = self._file(cell)
            before = file.read()
            # What failed is tried anew, what was interrupted goes on: also where the command was
            # killed again before a worker came to it.
            interrupted = before.state in ("RUNNING", "PENDING")
            file.write(Work("PENDING", before.run if interrupted else None))
            tasks.append({"name": file.name, "config": dict(cell.config), "tags": self._tags(cell)})
        text = json.dumps(tasks)
        write_text_atomically(self.folder / CELLS_FILE, text)

    def _tags(self, cell: Cell) -> dict[str, str]:
        tags = {PARENT_TAG: self.parent, ABLATION_TAG: self.plan.definition.name}
        tags |= {ARM_TAG: cell.part.arm, HEAD_TAG: cell.part.head}
        return {key: value for key, value in tags.items() if value}

    def states(self, cells: Sequence[Cell]) -> dict[str, Work]:
        """Return what became of cells on this machine, by name."""
        return {cell.name: self._file(cell).read() for cell in cells}

    def _watch(self, cells: Sequence[Cell], progress: Progress) -> None:
        deaths = ended = 0
        for place in range(min(self.plan.definition.workers, len(cells))):
            self._start(place)
        while self.processes:
            time.sleep(_LOOK_SECONDS)
            states = self.states(cells)
            progress.show(states)
            now = sum(work.state in ("FINISHED", "FAILED") for work in states.values())
            ended, deaths = now, 0 if now > ended else deaths
            for place, process in list(self.processes.items()):
                code = process.poll()
                if code is None:
                    continue
                del self.processes[place]
                if code and self.signum is None:
                    deaths += code > 0
                    self._check(deaths, code)
                    self._start(place)

    def _check(self, deaths: int, code: int) -> None:
        if deaths >= _EARLY_DEATHS:
            raise StoreError(
                f"{deaths} workers in a row ended with code {code} without ending a training; "
                f"{self.folder / 'workers.log'} says why."
            )

    def _start(self, place: int) -> None:
        environment = os.environ | threads(self.plan.definition.workers) | self._gpus.of(place)
        with (self.folder / "workers.log").open("ab") as log:
            self.processes[place] = subprocess.Popen(
                [sys.executable, "-m", "multihead.ablation.worker", str(self.folder)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us alone; we tell them
            )

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Pass SIGTERM and Ctrl-C on to the workers, which then end with a checkpoint."""

        def handle(signum: int, frame: FrameType | None) -> None:
            self.signum = signum
            for process in self.processes.values():
                process.terminate()

        before = {s: signal.signal(s, handle) for s in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)

    def _end_processes(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(timeout=_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()
        self._gpus.release()


def failures(works: Mapping[str, Work]) -> list[str]:
    """Return a line for each cell that failed."""
    return [f"{name}: {work.reason}" for name, work in works.items() if work.state == "FAILED"]
