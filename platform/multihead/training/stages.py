"""The stages of a backbone, as one would speak of them, with their parameters."""

from torch import nn

# A child that holds more than this share of the parameters is no stage but has them.
_MOST = 0.8


def stages_of(backbone: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Return the parameters of each stage by name, in the order of the backbone.

    Stages are the children of the backbone that have parameters. Where one child holds nearly all
    of them, such as the `stages` of a ConvNeXt or the `blocks` of a transformer, its own children
    are. A layer without a name is called by its place and class, as `4_conv2d`. What belongs to no
    child, such as a position embedding, is left out.

    Args:
        backbone: Maps images to features.
    """
    children = _children(backbone)
    while len(children) == 1 and _children(next(iter(children.values()))):
        children = _children(next(iter(children.values())))
    total = sum(map(_size, children.values()))
    found: dict[str, list[nn.Parameter]] = {}
    for name, child in children.items():
        inner = {n: part for n, part in child.named_children() if _size(part)}
        if _size(child) > _MOST * total and len(inner) > 1:
            found |= {f"{name}_{n}": [*part.parameters()] for n, part in inner.items()}
        else:
            found[name] = [*child.parameters()]
    return found


def _children(module: nn.Module) -> dict[str, nn.Module]:
    return {
        f"{name}_{type(child).__name__.lower()}" if name.isdecimal() else name: child
        for name, child in module.named_children()
        if _size(child)
    }


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
