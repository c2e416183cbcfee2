"""What a run leaves behind does not stay in the memory of the worker that trains the next one."""

import weakref

from multihead.runs.collector import few_collections


class Images:
    """Something that refers to itself, as a trainer and its data do."""

    def __init__(self) -> None:
        self.itself = self


def test_a_run_begins_without_what_the_last_one_left() -> None:
    with few_collections():
        with few_collections():
            left = weakref.ref(Images())
        assert left() is not None
        with few_collections():
            assert left() is None
