"""The Ray actor that holds one worker: it starts with the actor and again whenever it dies.

Ray starts the actor, and so the worker, again on another node when its own is lost, also while no
command watches. What an actor is given stays in the cluster's memory and is on no command line.
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
# As long a watching command has to hear how it ended, before the actor leaves by itself.
_LINGER_SECONDS = 20.0


@dataclass(frozen=True)
class Orders:
    """What an actor is told when it is made, for as long as it lives.

    Attributes:
        study: Name of the study.
        url: Of its storage; it may hold a password.
        environment: Of the worker, beside that of its node.
        folder: Where the worker starts, if the node has it: that of the command.
        log: The name of the file that the worker prints to, within the node's home.
    """

    study: str
    url: str = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    folder: str
    log: str


@dataclass(frozen=True)
class Report:
    """How an actor's worker does.

    Attributes:
        place: Host and process, as `registry.place_of` tells.
        codes: How its workers ended that did not end well, first to last.
        over: Whether the last one ended and no other follows.
        reason: Why not, if it died too often.
    """

    place: str
    codes: tuple[int, ...]
    over: bool
    reason: str | None


class Keeper:
    """Holds a worker; see the module.

    Args:
        orders: What to start.
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
        """Say how the worker does."""
        return Report(self._worker.place, self._codes, self._over, self._reason)

    def interrupt(self) -> None:
        """Have the worker end with a checkpoint, and start no other."""
        self._told = True
        self._worker.interrupt()

    def kill(self, place: str) -> None:
        """Kill the worker, if it still is the one of this place; another follows."""
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
        if self._told:  # while it was started
            self._worker.interrupt()

    def _trials(self) -> int:
        """Return how many of the study's trials have ended."""
        storage = StudyStorage(self._orders.url)
        try:
            return ended_of(storage, self._orders.study)
        finally:
            storage.close()


def leave() -> None:
    """End the actor of this process for good; its resources are free for others then."""
    import ray

    ray.kill(ray.get_runtime_context().current_actor, no_restart=True)
