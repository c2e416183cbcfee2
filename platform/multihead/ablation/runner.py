"""Run the missing cells of an ablation on this machine, and monitor the workers."""

import json
import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from types import FrameType

from multihead import __version__
from multihead.ablation.plan import Cell, Plan
from multihead.ablation.progress import Progress
from multihead.ablation.records import ABLATION_TAG, ARM_TAG, HEAD_TAG, PARENT_TAG, is_result
from multihead.ablation.worker import CELLS_FILE, CellFile, Work
from multihead.errors import StoreError
from multihead.files import inside, write_text_atomically
from multihead.signals import handled_by
from multihead.studies.devices import Places, threads, visible_gpus
from multihead.studies.recover import workers_of
from multihead.tracking.secrets import command_variable
from multihead.tracking.store import Store
from multihead.tracking.sync import reap_and_tell, sync
from multihead.training.interrupts import RunInterrupted
from multihead.workers import Deaths, WorkerProcess

_LOOK_SECONDS = 0.3
_LOG = "workers.log"


class Runner:
    """The workers of one command.

    Args:
        plan: Plan of the ablation.
        store: The store with its runs.
        parent: MLflow's id of the ablation's run.
    """

    def __init__(self, plan: Plan, store: Store, parent: str) -> None:
        self.plan, self.store, self.parent = plan, store, parent
        self.folder = store.home / "ablations" / plan.definition.name
        self.processes: dict[int, WorkerProcess] = {}
        self.signum: int | None = None
        self._files: dict[str, CellFile] = {}
        self._gpus = Places(workers_of(store), 1, visible_gpus())

    def missing(self) -> list[Cell]:
        """Send unsent data of runs to the store, and return the cells that are still missing."""
        reap_and_tell(self.store.home)
        runs = self.plan.on_record(self.store)
        missing = [cell for cell in self.plan.trainable if not any(map(is_result, runs[cell.name]))]
        ended = [w.run for c in missing if (w := self._file(c).read()).state == "FINISHED"]
        known = [run for run in ended if run and inside(self.store.home, run, "a run").is_dir()]
        sent = [done for run in known for done in sync(self.store.home, run)]
        return self.plan.missing(self.store) if sent else missing

    def run(self, cells: Sequence[Cell], progress: Progress) -> dict[str, Work]:
        """Train cells, and return the state of each one, by name.

        Raises:
            StoreError: If too many workers die, or the home cannot be written to.
            RunInterrupted: After a signal. The runs have checkpoints, so they can continue.
        """
        try:
            self.hand_out(cells)
            with handled_by(self._pass_on):
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
        # All files are read repeatedly while workers train, so their names are cached.
        if cell.name not in self._files:
            # A cell with another configuration, data or version must not continue its run.
            version = "" if self.plan.definition.reuse == "any" else __version__
            digest = sha256(" ".join((*cell.identity, version)).encode()).hexdigest()
            self._files[cell.name] = CellFile(self.folder, f"{cell.name}-{digest[:8]}")
        return self._files[cell.name]

    def hand_out(self, cells: Sequence[Cell]) -> None:
        """Write the list of cells for the workers. Started cells continue."""
        tasks = []
        for cell in cells:
            file = self._file(cell)
            before = file.read()
            # A failed cell starts anew, an interrupted one continues. PENDING cells have a run if
            # the command was killed again before a worker reached them.
            interrupted = before.state in ("RUNNING", "PENDING")
            file.write(Work("PENDING", before.run if interrupted else None))
            tasks.append(
                {"name": file.name, "config": dict(cell.config.composed), "tags": self._tags(cell)}
            )
        text = json.dumps(tasks)
        write_text_atomically(self.folder / CELLS_FILE, text)

    def _tags(self, cell: Cell) -> dict[str, str]:
        tags = {PARENT_TAG: self.parent, ABLATION_TAG: self.plan.definition.name}
        tags |= {ARM_TAG: cell.part.arm, HEAD_TAG: cell.part.head}
        return {key: value for key, value in tags.items() if value}

    def states(self, cells: Sequence[Cell]) -> dict[str, Work]:
        """Return the states of cells on this machine, by name."""
        return {cell.name: self._file(cell).read() for cell in cells}

    def _watch(self, cells: Sequence[Cell], progress: Progress) -> None:
        deaths = Deaths(str(self.folder / _LOG), "training")
        for place in range(min(self.plan.definition.workers, len(cells))):
            self._start(place)
        while self.processes:
            time.sleep(_LOOK_SECONDS)
            states = self.states(cells)
            progress.show(states)
            deaths.ended(sum(work.state in ("FINISHED", "FAILED") for work in states.values()))
            for place, process in list(self.processes.items()):
                code = process.code
                if code is None:
                    continue
                del self.processes[place]
                if code and self.signum is None:
                    deaths.add(code)
                    self._start(place)

    def _start(self, place: int) -> None:
        environment = {
            **threads(self.plan.definition.workers),
            **self._gpus.of(place),
            **command_variable(),
        }
        self.processes[place] = WorkerProcess(
            "multihead.ablation.worker", [str(self.folder)], environment, self.folder / _LOG
        )
        if self.signum is not None:  # the signal arrived while this worker started
            self.processes[place].interrupt()

    def _pass_on(self, signum: int, frame: FrameType | None) -> None:
        """Interrupt the workers. They save checkpoints and end."""
        self.signum = signum
        for process in self.processes.values():
            process.interrupt()

    def _end_processes(self) -> None:
        for process in self.processes.values():
            process.interrupt()
        for process in self.processes.values():
            process.wait()
        self.processes.clear()
        self._gpus.release()


def failures(works: Mapping[str, Work]) -> list[str]:
    """Return a line for each cell that failed."""
    return [f"{name}: {work.reason}" for name, work in works.items() if work.state == "FAILED"]
