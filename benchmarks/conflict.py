"""Measure the cost of comparing the heads' gradients (`callbacks=conflict`).

    python benchmarks/conflict.py [--heads 3 10] [--rounds 10]

Training steps with static weights and comparisons alternate in one process, with the network of
`multihead_cnn_cifar10` and a batch of 64 images of 3x32x32. The output is the CPU time of a
comparison relative to a step, and as a share of a training with the default interval. It uses one
thread, so that other processes matter little.
"""

import argparse
import statistics
import time

import torch
from balancers import FOLDER, Steps

from multihead.training.conflict import GradientConflict
from multihead.yaml_file import read_yaml


def ratios(heads: int, rounds: int, *, stages: bool) -> list[float]:
    """Return the time of a comparison divided by that of a step, for each round."""
    steps, probe = Steps(read_yaml(FOLDER / "static.yaml"), heads, "cpu"), GradientConflict()
    probe.stages = stages
    module, found = steps.module, []
    steps.seconds(2)
    for _ in range(rounds):
        began = time.process_time()
        steps.seconds(2)
        step = (time.process_time() - began) / 2
        losses, counts, _, _ = module.losses((steps.images, steps.labels))
        began = time.process_time()
        probe.look(module, losses, module.present(counts))
        found.append((time.process_time() - began) / step)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--heads", type=int, nargs="+", default=[3, 10])
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    every = GradientConflict().every
    print(f"torch {torch.__version__}, one thread, a look in {every} batches")
    for heads in options.heads:
        for stages in (False, True):
            found = ratios(heads, options.rounds, stages=stages)
            middle = statistics.median(found)
            print(
                f"{heads} heads{', each stage' if stages else '':<12} {middle:5.2f} steps "
                f"({min(found):.2f}-{max(found):.2f}), {100 * middle / every:.1f}% of a training"
            )


if __name__ == "__main__":
    main()
