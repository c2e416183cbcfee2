"""Choose the precision and the memory format for the device, with the reason."""

from typing import NamedTuple

import torch
from torch import nn


class Choice(NamedTuple):
    """A setting and its reason. `doctor` shows both, and runs record both."""

    value: str
    reason: str


def resolve_accelerator(accelerator: str) -> str:
    """Return cpu, cuda or mps for Lightning's accelerator name."""
    if accelerator in ("auto", "gpu"):
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    return accelerator


def choose_precision(device: str) -> Choice:
    """Choose bfloat16 mixed precision where the device has units for it, else float32.

    Args:
        device: cpu, cuda or mps.
    """
    if device == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return Choice("bf16-mixed", "the GPU computes in bfloat16")
        return Choice("32-true", "the GPU has no bfloat16 units")
    if device == "cpu":
        units = _bfloat16_units()
        if units:
            return Choice("bf16-mixed", f"the CPU has bfloat16 units ({', '.join(units)})")
        return Choice("32-true", "the CPU has no bfloat16 units, so bfloat16 would be slower")
    return Choice("32-true", f"mixed precision is not chosen automatically on {device}")


def has_precision(precision: str, device: str) -> bool:
    """Return whether a precision that was chosen on another machine suits this device.

    Args:
        precision: Lightning's name, such as bf16-mixed.
        device: cpu, cuda or mps.
    """
    return precision in ("32-true", choose_precision(device).value)


def cpu_capability() -> str:
    """Return the instructions that torch uses here: `AVX2`, `AVX512`, `AVX512 avx512_bf16`.

    The environment variables `ATEN_CPU_CAPABILITY` and `ONEDNN_MAX_CPU_ISA` can limit it.
    """
    return " ".join([torch.backends.cpu.get_cpu_capability(), *_bfloat16_units()])


def _bfloat16_units() -> list[str]:
    """Return the CPU's units for bfloat16 that torch and oneDNN use."""
    if not torch.backends.cpu.get_cpu_capability().startswith("AVX512"):
        return []
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():  # ONEDNN_MAX_CPU_ISA may limit it
        return []
    found = torch.cpu.get_capabilities()
    return [name for name in ("amx_bf16", "avx512_bf16") if found.get(name)]


def choose_memory_format(net: nn.Module, precision: str, device: str) -> Choice:
    """Choose channels_last for convolutions in a 16-bit precision, else contiguous.

    Args:
        net: The network.
        precision: Lightning's name, such as bf16-mixed.
        device: cpu, cuda or mps.
    """
    if not any(isinstance(module, nn.Conv2d) for module in net.modules()):
        return Choice("contiguous", "the network has no convolutions")
    if device in ("cpu", "cuda") and "16" in precision:
        return Choice("channels_last", "16-bit convolutions are faster with channels last")
    return Choice("contiguous", f"channels last is not faster at {precision} on {device}")
