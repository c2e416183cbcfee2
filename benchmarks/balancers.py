"""Measure the cost of each balancer: the step time relative to static weights.

    python benchmarks/balancers.py [--heads 3 10] [--steps 20] [--rounds 5] [--device cpu|cuda]

A step is the forward pass, losses, weights, backward pass and Adam of the network of
`multihead_cnn_cifar10` with a batch of 64 images of 3x32x32. In each round, every method makes
`steps` steps directly after static weights did. Their ratio is one result, and the median over
rounds is printed. Methods that use gradients are measured with gradients of the shared parameters
(exact) and of the features.
"""

import argparse
import json
import statistics
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate

from multihead import Heads, MultiheadLitModule, SimpleCNN, settings
from multihead.yaml_file import read_yaml

FOLDER = settings.packaged("experiments") / "model" / "balancer"
BATCH = 64


class Steps:
    """A network in training with one balancer.

    Args:
        config: The balancer's config.
        heads: Number of heads, of ten classes each.
        device: The type of the device.
    """

    def __init__(self, config: dict[str, Any], heads: int, device: str) -> None:
        torch.manual_seed(0)
        self.heads = Heads.from_outputs({f"h{index}": 10 for index in range(heads)})
        wide = {"conv1_channels": 64, "conv2_channels": 128, "fc_hidden": 256, "dropout": 0.5}
        shape = {"input_channels": 3, "input_size": 32}
        net = SimpleCNN(**shape, heads_config=self.heads.outputs, **wide)
        adam = partial(torch.optim.Adam, lr=0.001, fused=True)
        self.module = MultiheadLitModule(net, adam, balancer=instantiate(config)).to(device)
        self.module._use_heads(self.heads)
        self.module.to(device).train()
        self.optimizer = adam(self.module.parameters())
        self.images = torch.randn(BATCH, 3, 32, 32, device=device)
        self.labels = {n: torch.randint(10, (BATCH,), device=device) for n in self.heads}

    def seconds(self, steps: int) -> float:
        """Return the time of some steps."""
        began = time.perf_counter()
        for _ in range(steps):
            losses, counts, _, _ = self.module.losses((self.images, self.labels))
            total, _ = self.module.balanced(losses, self.module.present(counts))
            self.optimizer.zero_grad()
            total.backward()
            self.optimizer.step()
            self.module.balancer.batch += 1
        if self.images.is_cuda:
            torch.cuda.synchronize()
        return time.perf_counter() - began


def methods() -> dict[str, dict[str, Any]]:
    """Return the config of each method; two if there are two kinds of gradients."""
    found = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        config = read_yaml(path)
        found[path.stem] = config
        if "gramian_of" in config:
            found[f"{path.stem} features"] = {**config, "gramian_of": "features"}
    return found


def main() -> None:
    """Measure, print and optionally write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--heads", type=int, nargs="+", default=[3, 10])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    options = parser.parse_args()
    table: dict[str, dict[int, list[float]]] = {}
    for heads in options.heads:
        static = Steps(read_yaml(FOLDER / "static.yaml"), heads, options.device)
        for name, config in methods().items():
            steps = Steps(config, heads, options.device)
            steps.seconds(2)
            ratios = []
            for _ in range(options.rounds):
                base = static.seconds(options.steps)
                ratios.append(steps.seconds(options.steps) / base)
            table.setdefault(name, {})[heads] = ratios
    print(f"torch {torch.__version__}, {options.device}, {torch.get_num_threads()} threads")
    print(f"{'balancer':<22}" + "".join(f"{heads:>5} heads (range)   " for heads in options.heads))
    for name, by_heads in table.items():
        cells = [
            f"{statistics.median(r):9.2f} ({min(r):.2f}-{max(r):.2f})   " for r in by_heads.values()
        ]
        print(f"{name:<22}" + "".join(cells))
    if options.json:
        options.json.write_text(json.dumps(table, indent=2))


if __name__ == "__main__":
    main()
