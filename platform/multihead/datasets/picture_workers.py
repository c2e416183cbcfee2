"""Work on many pictures in threads, or in processes if there are very many.

Decoders release Python's global lock while they work, but code that reads headers does not.
"""

import contextlib
import functools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

from joblib import delayed

from multihead.datasets.picture_opening import ignore_advice, load_decoders
from multihead.errors import DataError
from multihead.pools import cores, process_pool

_WORTH_A_BAR = 500  # pictures
_LARGEST_BLOCK = {"thread": 32, "process": 128}  # pictures per task
_BLOCKS = 16  # tasks per process, at least, so that all processes end at about the same time
_WORTH_PROCESSES = 2_000  # pictures; starting processes takes as long as some hundred pictures
T = TypeVar("T")
R = TypeVar("R")


def in_workers(work: Callable[[T], R], items: Sequence[T], title: str = "") -> Iterator[R]:
    """Yield the result for each item in order, computed on all cores.

    Args:
        work: A function of a module, or a partial of one. It may run in another process.
        items: Its arguments.
        title: Title of a progress bar, shown for many items. Empty means no bar.

    Raises:
        DataError: If a process is killed, for example because memory runs out.
    """
    if len(items) < _WORTH_PROCESSES or cores() == 1:
        yield from in_threads(work, items, title)
        return
    size = min(_LARGEST_BLOCK["process"], max(1, len(items) // (_BLOCKS * cores())))
    blocks = (items[start : start + size] for start in range(0, len(items), size))
    parts = process_pool()(delayed(_in_process)(work, block) for block in blocks)
    with _bar(title, len(items)) as advance:
        try:
            for results in parts:
                advance(len(results))
                yield from results
        except BrokenProcessPool:
            raise DataError(
                "a process that read pictures was killed; free some memory and try again."
            ) from None


def _in_process(work: Callable[[T], R], block: Sequence[T]) -> list[R]:
    _get_ready()
    return [work(item) for item in block]


@functools.cache
def _get_ready() -> None:
    ignore_advice()
    load_decoders()


def in_threads(work: Callable[[T], R], items: Sequence[T], title: str = "") -> Iterator[R]:
    """Yield the result for each item in order, computed in a thread per core.

    Args:
        work: A function that any thread may call.
        items: Its arguments.
        title: Title of a progress bar, shown for many items. Empty means no bar.
    """
    count = cores()
    size = min(_LARGEST_BLOCK["thread"], max(1, len(items) // (2 * count)))
    blocks = iter([items[start : start + size] for start in range(0, len(items), size)])

    def each(block: Sequence[T]) -> list[R]:
        return [work(item) for item in block]

    with ThreadPoolExecutor(count) as pool, _bar(title, len(items)) as advance:
        waiting: deque[Future[list[R]]] = deque()
        try:
            waiting.extend(pool.submit(each, block) for block in islice(blocks, 4 * count))
            while waiting:
                results = waiting.popleft().result()
                waiting.extend(pool.submit(each, block) for block in islice(blocks, 1))
                advance(len(results))
                yield from results
        finally:  # also after an error, and if the caller stops early
            pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def _bar(title: str, count: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that advances a progress bar."""
    from multihead.terminal.drawn import Screen, progress  # slow to import; workers do not need it

    screen = Screen(err=True)
    if not title or count < _WORTH_A_BAR or not screen.is_terminal:
        yield lambda done: None
        return
    with progress(screen, "{task.completed}/{task.total}", transient=True) as bar:
        task = bar.add_task(title, total=count)
        yield lambda done: bar.advance(task, done)
