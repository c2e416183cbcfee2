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
        total = loss(outputs["a"], everyones["a"])
        both = torch.stack([total, outputs["a"].square().mean()])
        found[f"gramian{number}"] = HeadGradients(both, [*plain.parameters()], [[], []]).gramian(
            gathering.averaged
        )
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        found |= {f"loss{number}": total.detach(), f"logits{number}": outputs["a"].detach()}
        found[f"labels{number}"] = everyones["a"]
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
