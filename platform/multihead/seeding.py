"""Seeds for everything random, and the state of the generators for exact resumption."""

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
        seed: 0 to `MAX_SEED`, NumPy's range.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def seed_rank(rank: int, step: int) -> None:
    """Give a process numbers of its own: they depend on the seed, its rank and the step alone.

    Args:
        rank: Its number among the processes of a training, 1 or more.
        step: From which the training goes on.
    """
    torch.manual_seed(_digest(f"{torch.initial_seed()} rank {rank} step {step}"))


@contextmanager
def drawn_apart(base: int, name: str) -> Iterator[None]:
    """Let what is drawn on the CPU within depend on (base, name) alone, and nothing after it."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(_digest(f"{base} {name}"))
        yield


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


def random_state() -> dict[str, Any]:
    """Return the states of torch's generators, in types that weights-only loading accepts.

    Python's and NumPy's generators are not used after set-up: shuffling draws from
    (seed, epoch) alone, and layers draw from torch.
    """
    state: dict[str, Any] = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def restore_random_state(state: dict[str, Any]) -> None:
    """Set torch's generators to a state from `random_state`, as far as the devices exist."""
    torch.set_rng_state(state["cpu"].cpu())
    if torch.cuda.is_available() and len(state.get("cuda", ())) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([s.cpu() for s in state["cuda"]])
