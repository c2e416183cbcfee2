"""Run a benchmark as a reader does; small, for what it asserts of itself."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def benchmark(name: str, *arguments: str) -> str:
    """Return what `python benchmarks/NAME` prints; it has to end with 0."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / name), *arguments],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
