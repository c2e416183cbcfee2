"""The engine for a Ray cluster, which restarts workers elsewhere if their node is lost."""

import os
import time
from collections.abc import Collection
from typing import Any

from multihead.errors import StoreError
from multihead.studies.create_or_resume import OpenStudy, log_of
from multihead.studies.engines.ray_cluster import connect, disconnect
from multihead.studies.engines.ray_keeper import Keeper, Orders, Report
from multihead.studies.engines.ray_places import Ask, ask
from multihead.studies.engines.ray_shared import travelling
from multihead.studies.recover import workers_of
from multihead.studies.registry import bury, known
from multihead.workers import GRACE_SECONDS, Deaths

_LOOK_SECONDS = 0.5
# An actor with a place answers within this time.
_PLACED_SECONDS = 20.0
# By default, Ray kills an actor's child processes when the actor ends. A worker notices itself that
# its actor has ended, and writes a checkpoint.
_SPARE_CHILDREN = {"env_vars": {"RAY_kill_child_processes_on_worker_exit": "0"}}
_KILLED = -9


class RayEngine:
    """Starts named actors, each with one worker. They outlive the command.

    A later command finds them by their names. Ray restarts the actors of lost nodes, and actors
    restart their workers, also while no command runs. A running command counts deaths, kills
    workers without heartbeats, and ends the remaining ones.

    Args:
        opened: The study.
    """

    def __init__(self, opened: OpenStudy) -> None:
        self.opened = opened
        self.note = ""
        self._actors: dict[int, Any] = {}
        self._asked: dict[int, Any] = {}  # the pending call to each actor
        self._heard: dict[int, Report] = {}
        self._found: set[int] = set()  # actors of an earlier command, which may be about to end
        self._interrupted = self._told = False
        self._deaths = Deaths(str(log_of(opened)), "trial")

    def start(self) -> None:
        """See `Engine`."""
        import ray

        definition = self.opened.definition
        connect(definition)
        self._ask = ask(definition, ray.nodes())
        self._orders = self._write_orders(self._ask)
        there = set(ray.util.list_named_actors())
        for number in range(definition.workers):
            if self._name(number) in there:
                self._found.add(number)
            self._start(number)
        self._began = time.monotonic()
        surplus = there - {self._name(number) for number in self._actors}
        for name in surplus:
            if name.startswith(self._name("")):
                ray.get_actor(name).interrupt.remote()

    def _write_orders(self, asked: Ask) -> Orders:
        log = log_of(self.opened).relative_to(self.opened.store.home)
        return Orders(
            study=self.opened.name,
            url=self.opened.definition.storage_url,
            environment={
                **travelling(self.opened.store),
                **asked.environment,
                **self.opened.told_to_workers,
            },
            folder=os.getcwd(),
            log=str(log),
        )

    def _name(self, number: int | str) -> str:
        # The id of the run distinguishes studies of the same name in different storages.
        return f"{self.opened.name}/{self.opened.parent[:8]}/worker-{number}"

    def _start(self, number: int) -> None:
        import ray

        actor = ray.remote(Keeper).options(
            name=self._name(number),
            lifetime="detached",
            get_if_exists=True,
            max_restarts=-1,
            num_cpus=self._ask.cpu,
            num_gpus=self._ask.gpu,
            runtime_env=_SPARE_CHILDREN,
        )
        self._actors[number] = actor.remote(self._orders)
        self._asked[number] = self._actors[number].report.remote()

    def look(self, silent: Collection[str], ended: int) -> bool:
        """See `Engine`."""
        import ray

        self._deaths.ended(ended)
        if self._interrupted and not self._told:
            self._tell()
        asked = {question: number for number, question in self._asked.items()}
        answered, _ = (
            ray.wait(list(asked), num_returns=len(asked), timeout=0) if asked else ([], [])
        )
        for question in answered:
            self._answer(asked[question], question, ended)
        for number, report in self._heard.items():
            if report.place in silent:
                self._actors[number].kill.remote(report.place)
        self.note = self._waiting()
        return bool(self._actors)

    def _answer(self, number: int, question: Any, ended: int) -> None:
        """Process one actor's report, and request the next one."""
        import ray

        try:
            report: Report = ray.get(question)
        except ray.exceptions.ActorUnavailableError:  # Ray restarts it, maybe on another node
            self._bury()
            self._heard.pop(number, None)
        except ray.exceptions.ActorDiedError as error:
            self._bury()
            self._over(number, ended, error)
            return
        else:
            self._count(number, report)
            self._heard[number] = report
            if report.over:
                self._over(number, ended, None)
                return
        self._asked[number] = self._actors[number].report.remote()

    def _count(self, number: int, report: Report) -> None:
        """Count the workers that an actor has replaced; raise if it gave up."""
        if self._interrupted:
            return
        before = self._heard.get(number)
        known_codes = len(report.codes) if before is None else len(before.codes)
        if before is None and number not in self._found:
            known_codes = 0
        new = report.codes[known_codes:]
        if new:
            self._bury()
        for code in new:
            self._deaths.add(code)
        if report.reason is not None:
            raise StoreError(report.reason)

    def _over(self, number: int, ended: int, error: Exception | None) -> None:
        """Remove an actor. Start another if it died, or was of an earlier command.

        Args:
            number: Number of the worker.
            ended: Number of ended trials.
            error: How the actor died, or None if it ended normally.

        Raises:
            StoreError: If actors cannot start.
        """
        import ray

        if error is None:
            ray.kill(self._actors[number], no_restart=True)
        elif "creation task" in str(error) and not self._interrupted:
            raise StoreError(f"an actor of Ray does not start: {str(error).splitlines()[-1]}")
        late = error is not None or number in self._found
        self._found.discard(number)
        self._heard.pop(number, None)
        del self._actors[number], self._asked[number]
        left = ended < self.opened.definition.n_trials
        if late and left and not self._interrupted and self._wanted():
            if error is not None:
                self._deaths.add(_KILLED)
            self._start(number)

    def _wanted(self) -> bool:
        return known(self.opened.storage, self.opened.name).stop is None

    def _bury(self) -> None:
        if not self._interrupted:
            bury(self.opened.storage, self.opened.name, workers_of(self.opened.store))

    def _waiting(self) -> str:
        waiting = len(self._actors) - len(self._heard)
        if not waiting or time.monotonic() - self._began < _PLACED_SECONDS:
            return ""
        return f"{waiting} of {len(self._actors)} workers wait for a place on the Ray cluster"

    def _tell(self) -> None:
        """Interrupt the workers after a signal; kill actors that never got a place."""
        import ray

        self._told = True
        for number in list(self._actors):
            if number in self._heard:
                self._actors[number].interrupt.remote()
            else:
                ray.kill(self._actors.pop(number), no_restart=True)
                self._asked.pop(number)

    def interrupt(self) -> None:
        """See `Engine`."""
        self._interrupted = True  # `look` does the rest, since Ray may be in the middle of a call

    def end(self) -> None:
        """See `Engine`."""
        if self._actors:
            self._end_actors()
        disconnect()

    def _end_actors(self) -> None:
        import ray

        self.interrupt()
        deadline = time.monotonic() + GRACE_SECONDS
        while self.look((), 0) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        for actor in self._actors.values():
            ray.kill(actor, no_restart=True)
        self._actors.clear()
        self._asked.clear()
        self._heard.clear()
