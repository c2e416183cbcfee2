"""Seed all random generators, and save their state for exact resumption."""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

MAX_SEED = 2**32 - 1


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch (every device).

    Args:
        seed: 0 to `MAX_SEED`, the range of NumPy.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def seed_rank(rank: int, step: int) -> None:
    """Seed a process of a training with its own random numbers.

    They depend only on the seed, the rank and the step.

    Args:
        rank: The rank of the process, 1 or more.
        step: The step at which the training starts or resumes.
    """
    torch.manual_seed(_digest(f"{torch.initial_seed()} rank {rank} step {step}"))


@contextmanager
def drawn_apart(base: int, name: str) -> Iterator[None]:
    """Seed the CPU generator with (base, name) inside the `with` block, then restore it."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(_digest(f"{base} {name}"))
        yield


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


def random_state() -> dict[str, Any]:
    """Return the states of torch's generators, in types that weights-only loading accepts.

    Python's and NumPy's generators are not used after the setup. Shuffling depends only on
    (seed, epoch), and layers use torch's generators.
    """
    state: dict[str, Any] = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def restore_random_state(state: dict[str, Any]) -> None:
    """Set torch's generators to a state from `random_state`.

    The states of GPUs are set only if their number is the same.
    """
    torch.set_rng_state(state["cpu"].cpu())
    if torch.cuda.is_available() and len(state.get("cuda", ())) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([s.cpu() for s in state["cuda"]])
