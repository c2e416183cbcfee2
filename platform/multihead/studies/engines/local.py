"""The engine for workers on this machine."""

from collections.abc import Collection

from multihead.studies.create_or_resume import OpenStudy, log_of
from multihead.studies.devices import Places, threads, visible_gpus
from multihead.studies.engines.process import StudyWorker
from multihead.studies.recover import workers_of
from multihead.studies.registry import bury
from multihead.workers import Deaths


class LocalEngine:
    """Starts processes of this machine, each with its share of the cores and GPUs.

    Args:
        opened: The study.
    """

    def __init__(self, opened: OpenStudy) -> None:
        self.opened, self.note = opened, ""
        self.workers: dict[int, StudyWorker] = {}
        self._interrupted = False
        self._locks = workers_of(opened.store)
        self._gpus = Places(self._locks, opened.definition.devices_per_worker.gpu, visible_gpus())
        self._log = log_of(opened)
        self._deaths = Deaths(str(self._log), "trial")

    def start(self) -> None:
        """See `Engine`."""
        for number in sorted({*range(self.opened.definition.workers)} - {*self.workers}):
            self._start(number)

    def _start(self, number: int) -> None:
        definition = self.opened.definition
        cores = threads(definition.workers, definition.devices_per_worker.cpu)
        self.workers[number] = StudyWorker(
            self.opened.name,
            definition.storage_url,
            {**cores, **self._gpus.of(number), **self.opened.told_to_workers},
            self._log,
        )
        if self._interrupted:  # the interrupt arrived while this worker was being started
            self.workers[number].interrupt()

    def look(self, silent: Collection[str], ended: int) -> bool:
        """See `Engine`."""
        self._deaths.ended(ended)
        for number, worker in list(self.workers.items()):
            if worker.place in silent:
                worker.kill()
            code = worker.code
            if code is None:
                continue
            del self.workers[number]
            bury(self.opened.storage, self.opened.name, self._locks)
            if code != 0 and not self._interrupted:
                self._deaths.add(code)
                self._start(number)
        return bool(self.workers)

    def interrupt(self) -> None:
        """See `Engine`."""
        self._interrupted = True
        for worker in self.workers.values():
            worker.interrupt()

    def end(self) -> None:
        """See `Engine`."""
        self.interrupt()
        for worker in self.workers.values():
            worker.wait()
        self.workers.clear()
        self._gpus.release()
