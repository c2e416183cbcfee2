"""Start processes that begin together after their imports."""

import multiprocessing
from collections.abc import Callable, Iterable, Sequence
from multiprocessing.process import BaseProcess
from typing import Any


def start_together(
    work: Callable[..., None], tasks: Iterable[Any], imports: Sequence[str]
) -> tuple[list[BaseProcess], Callable[[], None]]:
    """Start one process per task.

    Args:
        work: The function of each process. It is called with its task, a semaphore to release when
            it is ready, and an event to wait for after that.
        tasks: One task per process.
        imports: Modules that are imported once for all processes.

    Returns:
        The processes, when all are ready, and the event that lets them begin.
    """
    context = multiprocessing.get_context("forkserver")  # it inherits no open connections
    context.set_forkserver_preload(list(imports))
    ready, go = context.Semaphore(0), context.Event()
    processes: list[BaseProcess] = [
        context.Process(target=work, args=(task, ready, go), daemon=True) for task in tasks
    ]
    for process in processes:
        process.start()
    for _ in processes:
        ready.acquire()
    return processes, go.set
