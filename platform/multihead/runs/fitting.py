"""Check that a recorded network fits its weights before memory is allocated.

A record may come from an untrusted source, and a width of a million in it takes gigabytes. So the
network is first built on torch's meta device, without memory, and its shapes are compared with
those of the file. Only then is memory allocated, as much as the file has.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as registry
from torch.utils._python_dispatch import TorchDispatchMode

from multihead.errors import CheckpointError, ConfigError
from multihead.models.network import MultiheadNetwork
from multihead.models.own_network import OwnBackbone

_MOST_VALUES, _DEEPEST = 1000, 20
_LARGEST_NUMBER, _LONGEST_TEXT = 1_000_000, 1000
_OURS = "multihead.models."
# Networks have modules without weights, and timm builds some modules only temporarily.
_PARAMETERS_EACH, _MODULES_EACH, _FREE = 4, 40, 2000
# A network may have other tensors than its weights, such as tables of positions.
_FREE_BYTES, _BYTES_EACH = 256 << 20, 4

Make = Callable[[], MultiheadNetwork]


def fitted(make: Make, weights: Mapping[str, Tensor], path: Path) -> MultiheadNetwork:
    """Return a network with the weights of a file, in the network's own data types.

    Args:
        make: Builds the network.
        weights: The network's state in the file.
        path: The file, for messages.

    Raises:
        CheckpointError: If network and weights do not fit; no memory is allocated before that.
        ConfigError: If the network cannot be built.
    """
    shapes = _network_of_shapes(make, len(weights), path)
    if shapes is None:
        with _Bounded(weights, path):
            network = make()
        _check_fit(network, weights, path)
    else:
        _check_fit(shapes, weights, path)
        if _is_ours(shapes) and not _has_more(shapes):
            state = shapes.state_dict()
            # Keep the network's memory layout: the last bits of a convolution depend on it.
            made = {
                k: torch.empty_like(v, device="cpu").copy_(weights[k]) for k, v in state.items()
            }
            _load(shapes, made, path, assign=True)
            return shapes
        network = make()
    _load(network, weights, path, assign=False)
    return network


def check_node(node: Mapping[str, Any], path: Path) -> None:
    """Check that a recorded network's configuration has a reasonable size.

    Raises:
        CheckpointError: For more than 1,000 values, a number beyond a million, a text beyond 1,000
            characters, or more than 20 levels.
    """
    level: list[Any] = [node]
    seen = 0
    for _ in range(_DEEPEST):
        below: list[Any] = []
        for value in level:
            seen += 1
            if isinstance(value, Mapping):
                below += [*value, *value.values()]
            elif isinstance(value, list | tuple):
                below += value
            elif not _is_modest(value):
                raise CheckpointError(
                    f"{path}: model.net has the value {value!r:.60}; the limits are numbers up to "
                    f"{_LARGEST_NUMBER:,} and texts up to {_LONGEST_TEXT:,} characters."
                )
            if seen + len(below) > _MOST_VALUES:
                raise CheckpointError(f"{path}: model.net has more than {_MOST_VALUES:,} values.")
        if not below:
            return
        level = below
    raise CheckpointError(f"{path}: model.net nests deeper than {_DEEPEST} levels.")


def _is_modest(value: object) -> bool:
    if isinstance(value, int | float):
        return -_LARGEST_NUMBER <= value <= _LARGEST_NUMBER
    return not isinstance(value, str) or len(value) <= _LONGEST_TEXT


def _network_of_shapes(make: Make, tensors: int, path: Path) -> MultiheadNetwork | None:
    """Build a network on the meta device; None if a user's own network needs real values."""
    try:
        with _counted(tensors, path), torch.random.fork_rng(devices=[]), torch.device("meta"):
            return make()
    except (ConfigError, RuntimeError) as error:
        no_kernel = isinstance(error.__cause__ or error, NotImplementedError)
        if no_kernel or "meta tensor" in str(error):
            return None
        raise


def _check_fit(network: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Compare names, shapes and kinds of numbers of network and weights.

    Raises:
        CheckpointError: If they differ; the message names the first difference.
    """
    expected = network.state_dict()
    for name, tensor in expected.items():
        there = weights.get(name)
        if there is None or there.shape != tensor.shape or _kind(there) != _kind(tensor):
            found = "missing" if there is None else _described(there)
            raise CheckpointError(
                f"{path} has weights of another architecture than its run's: {name} is {found} "
                f"there, but {_described(tensor)} in the recorded network."
            )
    extra = next((name for name in weights if name not in expected), None)
    if extra is not None:
        raise CheckpointError(
            f"{path} has weights of another architecture than its run's: it has {extra!r:.80}, "
            f"which the recorded network does not have."
        )


def _described(tensor: Tensor) -> str:
    return f"{list(tensor.shape)} of {str(tensor.dtype).removeprefix('torch.')}"


def _kind(tensor: Tensor) -> tuple[bool, bool]:
    return tensor.is_floating_point(), tensor.is_complex()


def _load(network: nn.Module, weights: Mapping[str, Tensor], path: Path, *, assign: bool) -> None:
    try:
        network.load_state_dict(weights, assign=assign)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise CheckpointError(
            f"{path} has weights of another architecture than its run's."
        ) from error


def _is_ours(network: nn.Module) -> bool:
    # A user's own module may have further state that is not in its weights.
    return type(network).__module__.startswith(_OURS) and not isinstance(network, OwnBackbone)


def _has_more(network: nn.Module) -> bool:
    """Return whether a network has tensors that are not in its state, such as tables."""
    state = network.state_dict()
    if any(name not in state for name, _ in network.named_buffers()):
        return True
    held = (value for part in network.modules() for value in vars(part).values())
    return any(_has_tensor(value) for value in held)


def _has_tensor(value: object) -> bool:
    if isinstance(value, dict):
        own = (each for each in value.values() if not isinstance(each, nn.Module))
        # Tensors in these dicts are parameters and buffers, which `state_dict` has.
        return any(isinstance(each, list | tuple) and _has_tensor(each) for each in own)
    if isinstance(value, list | tuple):
        return any(_has_tensor(each) for each in value)
    return isinstance(value, Tensor)


@contextmanager
def _counted(tensors: int, path: Path) -> Iterator[None]:
    """Stop building a network that has far more layers than its file has tensors."""
    counts = {"parameters": 0, "modules": 0}
    most = {
        "parameters": _PARAMETERS_EACH * tensors + _FREE,
        "modules": _MODULES_EACH * tensors + _FREE,
    }
    thread = threading.get_ident()

    def count(what: str) -> None:
        if threading.get_ident() != thread:
            return
        counts[what] += 1
        if counts[what] > most[what]:
            raise CheckpointError(
                f"{path} has weights of another architecture than its run's: the recorded network "
                f"has more than {most[what]:,} {what}, but the file has {tensors:,} tensors."
            )

    handles = [
        registry.register_module_parameter_registration_hook(lambda *_: count("parameters")),
        registry.register_module_buffer_registration_hook(lambda *_: count("parameters")),
        registry.register_module_module_registration_hook(lambda *_: count("modules")),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Bounded(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Stop a network from allocating more bytes than the weights of this file can need."""

    def __init__(self, weights: Mapping[str, Tensor], path: Path) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        held = sum(tensor.numel() * tensor.element_size() for tensor in weights.values())
        self.most, self.path = _BYTES_EACH * held + _FREE_BYTES, path
        self.made = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        given = dict(kwargs or {})
        if any(argument.name == "device" for argument in func._schema.arguments):
            shaped = func(*args, **{**given, "device": torch.device("meta")})
            self.made += shaped.numel() * shaped.element_size()
            if self.made > self.most:
                raise CheckpointError(
                    f"{self.path} has weights of another architecture than its run's: the recorded "
                    f"network takes more than {self.most:,} bytes."
                )
        return func(*args, **given)
