"""What is asked of the garbage collector."""

import gc

from multihead.garbage import collect_all_rarely


def test_only_walks_of_everything_become_rare() -> None:
    """What lives for a moment, as tensors in a cycle may, is found as soon as before."""
    before = gc.get_threshold()
    try:
        collect_all_rarely()
        youngest, middle, all_of_it = gc.get_threshold()
    finally:
        gc.set_threshold(*before)
    assert (youngest, middle) == before[:2]
    assert all_of_it >= before[2]
