"""A processor with instructions that this machine may not have, as torch would tell of it."""

import pytest
import torch


def set_instructions(monkeypatch: pytest.MonkeyPatch, level: str, **units: bool) -> None:
    """Have torch tell the instructions it uses, such as `AVX512`, and the processor's units."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: level)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: units)
