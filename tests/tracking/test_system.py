import itertools
import threading
import time

from multihead.errors import StoreError
from multihead.tracking.system import system_metrics


def test_even_a_short_run_has_the_load_of_its_machine_at_its_steps() -> None:
    seen: list[tuple[dict[str, float], int]] = []
    with system_metrics(lambda metrics, step: seen.append((dict(metrics), step)), lambda: 7):
        pass
    (metrics, step), *_ = seen
    assert step == 7
    assert 0 < metrics["system/memory_percent"] < 100
    assert metrics["system/process_memory_gb"] > 0.01
    assert {"system/cpu_percent", "system/process_cpu_percent"} < set(metrics)


def test_it_looks_again_and_once_more_at_the_end() -> None:
    twice, seen = threading.Event(), []

    def log(metrics: object, step: int) -> None:
        seen.append(step)
        if len(seen) == 2:
            twice.set()

    with system_metrics(log, itertools.count().__next__, interval=0.01):
        assert twice.wait(10)
        before = len(seen)
    assert len(seen) > before
    assert seen == [*range(len(seen))]


def test_a_step_is_logged_once() -> None:
    seen: list[int] = []
    with system_metrics(lambda metrics, step: seen.append(step), lambda: 7, interval=0.01):
        time.sleep(0.5)
    assert seen == [7]


def test_a_store_that_refuses_ends_the_looking_and_not_the_run() -> None:
    def log(metrics: object, step: int) -> None:
        raise StoreError("down")

    with system_metrics(log, lambda: 0):
        pass
    assert "system metrics" not in {thread.name for thread in threading.enumerate()}
