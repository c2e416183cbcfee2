"""Processes that have imported all they need and begin at the same moment."""

import multiprocessing
from collections.abc import Callable, Iterable, Sequence
from multiprocessing.process import BaseProcess
from typing import Any


def start_together(
    work: Callable[..., None], tasks: Iterable[Any], imports: Sequence[str]
) -> tuple[list[BaseProcess], Callable[[], None]]:
    """Start a process for each task.

    Args:
        work: What each does, given its task, a semaphore that it releases once it is ready, and an
            event that it waits for then.
        tasks: One for each process.
        imports: Modules that are imported once for all of them.

    Returns:
        The processes, all of them ready, and what lets them begin.
    """
    context = multiprocessing.get_context("forkserver")  # it has no connection of anybody's
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
