"""Make full garbage collections rare in processes of multihead.

The imports of Torch, MLflow and Lightning create half a million objects, none of them garbage. With
Python's default settings, the collector scans all of them eight times during the imports. That
takes a fifth of the start of a command or a worker. Short-lived objects are collected as before.
"""

import gc

_COLLECTIONS = 1000  # of the middle generation before one of the oldest; Python's default is 10


def collect_all_rarely() -> None:
    """Scan the old objects of this process a hundred times less often."""
    youngest, middle, _ = gc.get_threshold()
    gc.set_threshold(youngest, middle, _COLLECTIONS)
