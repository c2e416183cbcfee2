"""An engine as others would write it: outside the package."""

import os
import signal
import subprocess
import sys
from collections.abc import Collection

from multihead.settings import STUDIES_VARIABLE
from multihead.studies.create_or_resume import OpenStudy
from multihead.studies.recover import workers_of
from multihead.studies.registry import bury, place_of
from multihead.workers import Deaths


class OutsideEngine:
    """Plain processes that are not told which command started them."""

    def __init__(self, opened: OpenStudy) -> None:
        self.opened, self.note = opened, ""
        self.processes: list[subprocess.Popen[bytes]] = []
        self._deaths = Deaths("the terminal", "trial")
        self._over = False

    def start(self) -> None:
        url = {STUDIES_VARIABLE: self.opened.definition.storage_url}
        command = [sys.executable, "-m", "multihead.studies.worker", "--study", self.opened.name]
        while len(self.processes) < self.opened.definition.workers:
            self.processes.append(
                subprocess.Popen(command, env={**os.environ, **url, **self.opened.told_to_workers})
            )

    def look(self, silent: Collection[str], ended: int) -> bool:
        self._deaths.ended(ended)
        for process in [p for p in self.processes if place_of(p.pid) in silent]:
            process.kill()
            process.wait()
        for process in [p for p in self.processes if p.poll() is not None]:
            self.processes.remove(process)
            bury(self.opened.storage, self.opened.name, workers_of(self.opened.store))
            self._over |= process.returncode == 0
            if not self._over:
                self._deaths.add(process.returncode)
        if not self._over:
            self.start()
        return bool(self.processes)

    def interrupt(self) -> None:
        self._over = True
        for process in self.processes:
            process.send_signal(signal.SIGTERM)

    def end(self) -> None:
        self.interrupt()
        for process in self.processes:
            process.wait()
        self.processes.clear()
