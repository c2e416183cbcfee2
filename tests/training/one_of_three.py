"""One of three processes that share a batch of five images: `python one_of_three.py RANK FOLDER`.

The first of them has no image. Each saves what it found.
"""

import sys
from pathlib import Path

import torch
from torch import nn
from torch.distributed import destroy_process_group, init_process_group
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from multihead.balancing.gradients import HeadGradients
from multihead.data.ranks import Ranks
from multihead.training.batch_norm import WholeBatchNorm
from multihead.training.gathering import Gathering

BATCH, CLASSES = 5, 3
CLASS_WEIGHTS = torch.tensor([1.0, 4.0, 0.5])  # a mean over them is none over samples


def network() -> nn.Module:
    """Convolution, batch norm of images and of features, and a layer, drawn with a fixed seed."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.BatchNorm1d(16), nn.Linear(16, 3)
    )


def batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Two batches of five images [5, 1, 4, 4] and labels [5]."""
    torch.manual_seed(2)
    return [
        (torch.randn(BATCH, 1, 4, 4) * 3 + 5, torch.randint(CLASSES, (BATCH,))) for _ in range(2)
    ]


def further_labels() -> dict[str, torch.Tensor]:
    """Labels of other types beside the classes, some of them missing: float32 [5] and [5, 2]."""
    numbers = torch.tensor([0.5, torch.nan, 1e-30, -2.0, torch.nan])
    return {"number": numbers, "pair": torch.arange(2.0 * BATCH).view(BATCH, 2) / 3}


def loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Weigh by class, which is no mean over samples."""
    return functional.cross_entropy(logits, labels, CLASS_WEIGHTS)


def step(
    logits: tuple[torch.Tensor, torch.Tensor],
    labels: torch.Tensor,
    parameters: list[nn.Parameter],
    gathering: Gathering,
) -> dict[str, torch.Tensor]:
    """Take a step's gradients of two losses, once for each, and hand their sum over.

    Args:
        logits: Of the whole batch, and of the process's part of it.
        labels: Of the whole batch.
        parameters: That both losses share.
        gathering: Of the process.
    """
    whole, own = logits
    both = torch.stack([loss(whole, labels), whole.square().mean()])
    of_outputs = HeadGradients(both, [own], [[], []], keep=True)
    gradients = HeadGradients(both, parameters, [[], []])
    weights = torch.tensor([1.0, 0.5])
    gradients.scalar(weights, weights, both.sum()).backward()
    return {
        "gramian": gradients.gramian(gathering.averaged),
        "gramian of outputs": of_outputs.gramian(gathering.averaged, gathering.ranks.world_size),
        "loss": both[0].detach(),
        "logits": whole.detach(),
        "labels": labels,
    }


def main(rank: int, folder: Path) -> None:
    """Train two steps and save logits, losses, gradients and state."""
    ranks = Ranks(rank, 3)
    init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=3)
    plain, whole = network(), WholeBatchNorm("cpu")
    net = DistributedDataParallel(whole.apply(plain), forward_sync_buffers=False)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    gathering, found = Gathering(ranks), {}
    gathering.wish = lambda: 15 - rank
    for number, (images, labels) in enumerate(batches()):
        part = torch.arange(BATCH)[[slice(0, 0), slice(0, 2), slice(2, 5)][rank]]
        own = {"a": net(images[part])}
        others = {name: values[part] for name, values in further_labels().items()}
        outputs, everyones = gathering.whole(own, {"a": labels[part], **others})
        optimizer.zero_grad()
        whole_and_own = (outputs["a"], own["a"])
        values = step(whole_and_own, everyones["a"], [*plain.parameters()], gathering)
        optimizer.step()
        found |= {f"{name}{number}": value for name, value in values.items()}
        found |= {name: everyones[name] for name in others}
    found |= {f"gradient {name}": p.grad for name, p in plain.named_parameters()}
    found["wished"] = torch.tensor(gathering.wished)
    found["said"] = torch.tensor(gathering.of_rank_0(7 + rank))
    found["ranks"] = torch.tensor(gathering.collected(rank))
    whole.revert(plain)
    found["classes"] = torch.tensor([type(m) is nn.BatchNorm2d for m in plain].count(True))
    torch.save({**found, **plain.state_dict()}, folder / f"{rank}.pt")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
    destroy_process_group()  # its threads, alive at the interpreter's end, may abort the process
