import pytest
from tests.processor import set_instructions
from torch import nn

from multihead.training.hardware import choose_memory_format, choose_precision, cpu_capability


def test_bfloat16_is_chosen_on_a_cpu_exactly_where_it_has_units(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_instructions(monkeypatch, "AVX512", avx512_bf16=True)
    assert choose_precision("cpu").value == "bf16-mixed"
    assert cpu_capability() == "AVX512 avx512_bf16"
    set_instructions(monkeypatch, "AVX2", avx512_bf16=True)
    assert choose_precision("cpu").value == "32-true", "torch is told to use older instructions"
    set_instructions(monkeypatch, "AVX512", avx2=True)
    assert choose_precision("cpu").value == "32-true"
    assert cpu_capability() == "AVX512"


def test_channels_last_is_for_convolutions_in_16_bits() -> None:
    conv, linear = nn.Conv2d(1, 1, 3), nn.Linear(1, 1)
    assert choose_memory_format(conv, "bf16-mixed", "cpu").value == "channels_last"
    assert choose_memory_format(conv, "32-true", "cpu").value == "contiguous"
    assert choose_memory_format(linear, "bf16-mixed", "cuda").value == "contiguous"
