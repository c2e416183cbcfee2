"""The command in a process of its own, which stops itself at a given step: always the same one."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from multihead.tracking.find import find_run
from multihead.tracking.store import Store

_ROOT = Path(__file__).parents[1]
_STOP_AT = """
import os, sys
from multihead.training import interrupts
step, number, *words = sys.argv[1:]
plain = interrupts.StopOnSignal.on_train_batch_end
def stop(self, trainer, *rest):
    if trainer.global_step == int(step):
        os.kill(os.getpid(), int(number))
    plain(self, trainer, *rest)
interrupts.StopOnSignal.on_train_batch_end = stop
from multihead.cli.main import main
main(words)
"""
NEVER = 10**9


def command(
    *words: str, stop_at: int = NEVER, by: int = signal.SIGTERM
) -> subprocess.CompletedProcess[str]:
    """Run `multihead`, which sends itself a signal at a step; it may import the tests."""
    path = os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-c", _STOP_AT, str(stop_at), str(int(by)), *words],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path},
    )


def run_of(done: subprocess.CompletedProcess[str]) -> str:
    """Return our id of the run that a command said it began."""
    found = re.search(r"^run (\S+)", done.stdout, re.MULTILINE)
    assert found is not None, done.stderr
    return found[1]


def points_of(store: Store, run: str) -> dict[str, list[tuple[int, float]]]:
    """Return every point of a run by metric, but those of the machine."""
    found = find_run(store, run).info.run_id
    return {
        name: [(p.step, p.value) for p in store.client.get_metric_history(found, name)]
        for name in store.client.get_run(found).data.metrics
        if not name.startswith("system/")
    }
