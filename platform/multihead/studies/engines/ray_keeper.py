"""The Ray actor that runs one worker, and restarts the worker if it dies.

If the actor's node is lost, Ray restarts the actor and so the worker on another node, also while no
command runs. The actor's arguments stay in the cluster's memory, never on a command line.
"""

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from multihead import settings
from multihead.errors import StoreError, message_of
from multihead.studies.engines.process import StudyWorker
from multihead.studies.lease import ended_of
from multihead.studies.registry import place_of
from multihead.studies.storage import StudyStorage, patiently
from multihead.workers import Deaths

_LOOK_SECONDS = 0.5
# A running command has this much time to read the last report, before the actor ends itself.
_LINGER_SECONDS = 20.0


@dataclass(frozen=True)
class Orders:
    """The arguments of an actor.

    Attributes:
        study: Name of the study.
        url: URL of its storage. It may hold a password.
        environment: Environment variables of the worker, in addition to those of its node.
        folder: The command's working directory. The worker uses it too, if the node has it.
        log: Path of the worker's log, relative to the node's home folder.
    """

    study: str
    url: str = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    folder: str
    log: str


@dataclass(frozen=True)
class Report:
    """The state of an actor's worker.

    Attributes:
        place: Host and process id, in the form of `registry.place_of`.
        codes: Exit codes of its workers that failed, first to last.
        over: Whether the last worker has ended and no other follows.
        reason: Why no other follows, if workers died too often; else None.
    """

    place: str
    codes: tuple[int, ...]
    over: bool
    reason: str | None


class Keeper:
    """Runs a worker; see the module.

    Args:
        orders: What to start, and how.
    """

    def __init__(self, orders: Orders) -> None:
        if Path(orders.folder).is_dir():
            os.chdir(orders.folder)
        os.environ.update(orders.environment)
        self._orders = orders
        self._log = settings.home() / orders.log
        self._deaths = Deaths(f"{place_of(os.getpid()).split()[0]}:{self._log}", "trial")
        self._codes: tuple[int, ...] = ()
        self._over, self._told = False, False
        self._reason: str | None = None
        self._worker = self._start()
        threading.Thread(target=self._watch, name="keeper", daemon=True).start()

    def _start(self) -> StudyWorker:
        return StudyWorker(self._orders.study, self._orders.url, {}, self._log)

    def report(self) -> Report:
        """Return the state of the worker."""
        return Report(self._worker.place, self._codes, self._over, self._reason)

    def interrupt(self) -> None:
        """Ask the worker to write a checkpoint and end, and start no other."""
        self._told = True
        self._worker.interrupt()

    def kill(self, place: str) -> None:
        """Kill the worker if it is still the one at this place. Another is then started."""
        if self._worker.place == place:
            self._worker.kill()

    def _watch(self) -> None:
        while not self._over:
            time.sleep(_LOOK_SECONDS)
            code = self._worker.code
            if code is not None:
                self._ended(code)
        time.sleep(_LINGER_SECONDS)
        leave()

    def _ended(self, code: int) -> None:
        if code == 0 or self._told:
            self._over = True
            return
        self._codes += (code,)
        try:
            self._deaths.ended(patiently(self._trials))
            self._deaths.add(code)
        except StoreError as error:
            self._reason, self._over = message_of(error), True
            return
        self._worker = self._start()
        if self._told:  # the interrupt arrived while the worker was being started
            self._worker.interrupt()

    def _trials(self) -> int:
        """Return the number of the study's trials that have ended."""
        storage = StudyStorage(self._orders.url)
        try:
            return ended_of(storage, self._orders.study)
        finally:
            storage.close()


def leave() -> None:
    """End this process's actor without a restart, which frees its resources."""
    import ray

    ray.kill(ray.get_runtime_context().current_actor, no_restart=True)
