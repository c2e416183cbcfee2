"""How often the garbage collector looks at everything: rarely, in processes that are ours.

Torch, MLflow and Lightning make half a million objects when they are imported, none of them
garbage. By Python's own settings all of them are walked eight times meanwhile, which takes a fifth
of the start of a command or a worker. What lives only for a moment is found as soon as before.
"""

import gc

_COLLECTIONS = 1000  # of the middle generation before one of the oldest; Python's own is 10


def collect_all_rarely() -> None:
    """Have this process walk its old objects a hundred times less often."""
    youngest, middle, _ = gc.get_threshold()
    gc.set_threshold(youngest, middle, _COLLECTIONS)
