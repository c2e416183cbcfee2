"""How much memory something takes at its peak, in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PROCESS = Path("/proc/self")


@contextmanager
def within(megabytes: int) -> Iterator[None]:
    """Fail if more memory was taken meanwhile, at any moment. Only Linux can tell."""
    reset = _PROCESS / "clear_refs"
    if not reset.exists():
        yield
        return
    reset.write_text("5")  # forget the peak up to now
    before = _kilobytes("VmRSS")
    yield
    taken = (_kilobytes("VmHWM") - before) // 1024
    assert taken <= megabytes, f"it took {taken} MB"


def _kilobytes(what: str) -> int:
    lines = (_PROCESS / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:"))
