"""Files that claim more than they hold: refused in one line, before the memory is taken."""

import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from optuna.distributions import IntDistribution
from pyarrow import parquet
from tests.hostile.memory import within
from torch import Tensor, nn

from multihead import Heads
from multihead.ablation.definition import checked
from multihead.datasets.table.files import read_table
from multihead.errors import CheckpointError, ConfigError, DataError, MultiheadError
from multihead.heads import Head, Parameter
from multihead.models.network import MultiheadNetwork
from multihead.models.simple_cnn import SimpleCNN
from multihead.report.parquet import read_parquet
from multihead.runs.bundle import (
    EXAMPLES,
    MODEL,
    WEIGHTS,
    read_bundle,
    read_examples,
    write_bundle,
)
from multihead.runs.fitting import fitted
from multihead.runs.load import LoadedRun
from multihead.runs.recorded import read_config
from multihead.studies.samplers import grid
from multihead.studies.space import Parameter as Axis
from multihead.studies.space import Space
from multihead.training.checkpoints import read_checkpoint
from multihead.vimh.info import read_info
from multihead.yaml_file import MAX_BYTES, read_yaml

NET = {
    "_target_": "multihead.models.simple_cnn.SimpleCNN",
    **{"conv1_channels": 2, "conv2_channels": 2, "fc_hidden": 4},
}
TIMM = "multihead.models.timm_network.TimmNetwork"
VIT = {"_target_": TIMM, "name": "vit_tiny_patch16_224"}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A small model as `serve` reads it."""
    heads = Heads([Head("digit", 10), _level(256)])
    network = SimpleCNN(conv1_channels=2, conv2_channels=2, fc_hidden=4, heads_config=heads.outputs)
    record = {"heads": heads, "image_shape": [1, 28, 28], "mean": [0.5], "std": [0.5]}
    loaded = LoadedRun(network, record, NET)
    write_bundle(loaded, tmp_path / "bundle", np.zeros((1, 28, 28, 1), np.uint8))
    return tmp_path / "bundle"


def _level(levels: int) -> Head:
    return Head("note", levels, kind="regression", parameter=Parameter(0.0, 1.0, levels=levels))


def _change(bundle: Path, **changes: Any) -> None:
    path = bundle / MODEL
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _many_levels() -> list[dict[str, Any]]:
    record = Heads([Head("digit", 10), _level(256)]).to_record()
    record[1] |= {"num_classes": 200_000_000}
    record[1]["parameter"] |= {"levels": 200_000_000}
    return record


def test_an_unchanged_model_answers_as_before(bundle: Path) -> None:
    assert read_bundle(bundle).predict(np.zeros((2, 28, 28), np.uint8))["digit"].shape == (2,)


@pytest.mark.parametrize(
    "changes",
    [
        {"net": NET | {"fc_hidden": 100_000, "conv2_channels": 64}},
        {"net": NET | {"conv1_channels": 20_000, "conv2_channels": 2_000}},
        {"net": NET | {"head_hidden": 900_000, "fc_hidden": 900_000}},
        {"net": NET | {"fc_hidden": 10**12}},
        {"net": NET | {"fc_hidden": 10**400}},
        {"net": NET | {"heads_config": {"digit": 900_000_000, "note": 1}}},
        {"net": NET | {"heads_config": {f"h{i}": 2 for i in range(5000)}}},
        {"net": NET | {"conv1_channels": [[[[[1]]]]] * 10_000}},
        {"net": NET | {"dropout": "0" * 1_000_000}},
        {"net": VIT | {"options": {"depth": 100_000}}},
        {"net": VIT | {"options": {"depth": 10**9}}},
        {"net": VIT | {"options": {"embed_dim": 300_000}}},
        {"net": {"_target_": TIMM, "name": "convnext_atto", "options": {"depths": [9999] * 4}}},
        {"image_shape": [1, 65_536, 65_536]},
        {"image_shape": [1, 28, 10**12]},
        {"image_shape": [True, 28, 28]},
        {"mean": [10**400]},
        {"heads": _many_levels()},
    ],
    ids=lambda changes: str(changes)[:60],
)
def test_a_model_that_describes_a_larger_network_takes_no_memory(
    bundle: Path, changes: dict[str, Any]
) -> None:
    _change(bundle, **changes)
    with within(300), pytest.raises(MultiheadError) as refusal:
        read_bundle(bundle)
    assert len(str(refusal.value)) < 500
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a":' * 1000 + "1" + "}" * 1000, "1" * 100_000, " " * (9 << 20)],
    ids=["lists", "objects", "number", "large"],
)
def test_a_description_that_is_odd_json_is_refused(bundle: Path, text: str) -> None:
    (bundle / MODEL).write_text(text)
    with within(100), pytest.raises(CheckpointError, match="is damaged"):
        read_bundle(bundle)


@pytest.mark.parametrize("length", [0, 2**40, 2**63, 50 << 20])
def test_a_header_of_weights_that_claims_more_is_refused(bundle: Path, length: int) -> None:
    path = bundle / WEIGHTS
    with path.open("wb") as file:
        file.write(struct.pack("<Q", length))
        file.truncate(60 << 20)
    with within(100), pytest.raises(CheckpointError, match="is damaged"):
        read_bundle(bundle)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((10**8, 28, 28, 1), "|u1"), ((10**30,), "|u1"), ((1, 28, 28, 1), "|O"), ((98,), "<f8")],
)
def test_examples_that_claim_more_than_their_file_are_refused(
    bundle: Path, shape: tuple[int, ...], dtype: str
) -> None:
    with (bundle / EXAMPLES).open("wb") as file:
        facts = {"descr": dtype, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, facts)
        file.write(b"\0" * 784)
    with within(100), pytest.raises(CheckpointError, match=r"examples\.npy is damaged"):
        read_examples(bundle)


class Table(MultiheadNetwork):
    """A user's own network, with a table that its state does not hold.

    Its width is read from a tensor, so that it cannot be built of shapes alone, if `of_values`.
    """

    def __init__(self, width: int, *, of_values: bool = False) -> None:
        if of_values:
            width = int(torch.tensor(width).item())
        backbone = nn.Sequential(nn.Flatten(), nn.Linear(4, width))
        super().__init__(backbone, width, {"a": 2}, input_channels=1, input_size=2)
        self.register_buffer("table", torch.arange(width).float(), persistent=False)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Use the table."""
        return {"a": self.heads["a_head"](self.backbone(images) * self.table)}


@pytest.mark.parametrize("of_values", [False, True])
def test_tables_beside_the_weights_are_made_as_ever(tmp_path: Path, *, of_values: bool) -> None:
    """They are not in the file, so a network of shapes alone would lack them."""
    made, images = Table(3), torch.rand(2, 1, 2, 2)
    file = tmp_path / "weights"
    file.write_bytes(b"\0" * 1000)
    again = fitted(lambda: Table(3, of_values=of_values), made.state_dict(), file)
    assert torch.equal(again(images)["a"], made(images)["a"])


def test_a_network_that_needs_values_is_bounded_by_its_file(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"\0" * 1000)
    weights = Table(3).state_dict()
    with within(300), pytest.raises(CheckpointError, match="takes more than"):
        fitted(lambda: Table(100_000_000, of_values=True), weights, file)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "levit_128s"])
def test_a_network_of_timm_is_what_it_was(tmp_path: Path, name: str) -> None:
    """The first has no tables beside its weights, the second has."""
    from multihead.models.timm_network import TimmNetwork

    made, images = TimmNetwork(name, 3, {"a": 2}, 32).eval(), torch.rand(2, 3, 32, 32)
    file = tmp_path / "weights"
    file.write_bytes(b"")
    again = fitted(lambda: TimmNetwork(name, 3, {"a": 2}, 32), made.state_dict(), file)
    assert torch.equal(again.eval()(images)["a"], made(images)["a"])


class Calls:
    """Pickles to a call."""

    def __init__(self, what: Callable[..., object], *arguments: object) -> None:
        self.call = what, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


def _doubled() -> list[Any]:
    value: list[Any] = []
    for _ in range(40):
        value = [value, value]
    return value


@pytest.mark.parametrize(
    "extra",
    [
        lambda: torch.zeros(1).expand(10**6, 10**6),
        lambda: torch.zeros(10**6, 10**6, device="meta"),
        lambda: Calls(bytearray, 600_000_000),
        lambda: Calls(torch.Tensor, 10**5, 10**4),
        lambda: [[torch.zeros(1 << 20)[:1].expand(1 << 30)]],
    ],
    ids=["view", "meta", "bytes", "tensor", "nested"],
)
def test_a_checkpoint_that_makes_more_than_it_holds_is_refused(
    tmp_path: Path, extra: Callable[[], object]
) -> None:
    path = tmp_path / "bad.ckpt"
    torch.save({"state_dict": {"w": extra()}}, path)
    with within(200), pytest.raises(CheckpointError, match=r"bad\.ckpt is refused"):
        read_checkpoint(path)


def test_lists_that_hold_a_list_twice_are_looked_at_once(tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "x": _doubled()}, tmp_path / "odd.ckpt")
    assert "x" in read_checkpoint(tmp_path / "odd.ckpt")


def test_a_packed_checkpoint_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    whole, path = tmp_path / "whole.ckpt", tmp_path / "bomb.ckpt"
    torch.save({"state_dict": {"w": torch.zeros(30_000_000)}}, whole)
    with (
        zipfile.ZipFile(whole) as old,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, True, 1) as new,
    ):
        for member in old.infolist():
            new.writestr(member.filename, old.read(member))
    with within(50), pytest.raises(CheckpointError, match="checkpoints are not compressed"):
        read_checkpoint(path)


def test_a_checkpoint_of_members_without_end_is_refused(tmp_path: Path) -> None:
    """Each takes 46 bytes of the file, and a kilobyte to be read."""
    path = tmp_path / "many.ckpt"
    torch.save({"state_dict": {}}, path)
    entries = b"PK\1\2" + b"\0" * 42
    directory = entries * 400_000
    end = struct.pack("<4sHHHHLLH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(directory), 0, 0)
    path.write_bytes(path.read_bytes() + directory + end)
    with within(200), pytest.raises(CheckpointError, match="too many members"):
        read_checkpoint(path)


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LAUGHS, "after its aliases are expanded"),
        ("a: &a {b: *a}", "after its aliases are expanded"),
        ("a: " + "[" * 5000, "nests too deeply"),
        ("a: " + "{b: " * 5000, "nests too deeply"),
        ("a: '" + "x" * MAX_BYTES + "'", "is larger than"),
        ("a: " + "9" * 5000, "is not YAML"),
        ("a: 2020-99-99", "is not YAML"),
        ("a: \x00", "is not YAML"),
        ("a: !!python/object/apply:os.getcwd []", "is not YAML"),
    ],
    ids=["laughs", "itself", "lists", "objects", "large", "number", "date", "zero", "object"],
)
def test_odd_yaml_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with within(100), pytest.raises(ConfigError, match=message) as refusal:
        read_yaml(path)
    assert "\n" not in str(refusal.value)


def test_a_recorded_configuration_whose_aliases_grow_takes_no_memory(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(LAUGHS)
    with within(100), pytest.raises(ConfigError, match="after its aliases are expanded"):
        read_config(tmp_path / "config.yaml", "a record")


def test_a_table_of_a_report_is_read_as_pandas_wrote_it(tmp_path: Path) -> None:
    path = tmp_path / "values.parquet"
    table = pd.DataFrame({"arm": ["a", None], "seed": [1, 2], "value": [0.5, float("nan")]})
    table.to_parquet(path, index=False)
    pd.testing.assert_frame_equal(read_parquet(path), pd.read_parquet(path))


@pytest.mark.parametrize(
    ("table", "codec"),
    [
        (lambda: {"a": pa.array(["z" * 1_000_000]).take(pa.array([0] * 40))}, "snappy"),
        (lambda: {"a": pa.array(["z" * 1000]).dictionary_encode()}, "snappy"),
        (lambda: {"a": pa.nulls(20_000_000)}, "snappy"),
        (lambda: {f"c{i}": pa.array([1]) for i in range(1001)}, "snappy"),
        (lambda: {"a": pa.array(np.zeros(1000))}, "zstd"),
        (lambda: {"a": pa.array([[1], [2]])}, "snappy"),
    ],
    ids=["text", "dictionary", "rows", "columns", "codec", "nested"],
)
def test_a_table_that_unpacks_to_more_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    table: Callable[[], dict[str, Any]],
    codec: str,
) -> None:
    monkeypatch.setattr("multihead.report.parquet._LARGEST_TEXT", 20 << 20)
    path = tmp_path / "values.parquet"
    parquet.write_table(pa.table(table()), path, compression=codec)
    with within(100), pytest.raises(ValueError, match=r"values\.parquet"):
        read_parquet(path)


def test_a_table_has_so_many_columns(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(",".join(f"{w}{i}" for i in range(100_000)) for w in "ab"))
    with within(300), pytest.raises(DataError, match="of 100,000 columns"):
        read_table(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("height", 10**12),
        ("channels", 10**400),
        ("train_samples", -1),
        ("parameter_mappings", {"note": {"min": 0, "max": 10**12, "type": "classification"}}),
        ("parameter_mappings", {"note": {"min": 0, "max": 10**400}}),
        ("parameter_names", [f"n{i}" for i in range(300)]),
    ],
)
def test_metadata_of_vimh_that_claim_anything_are_refused(
    tmp_path: Path, key: str, value: object
) -> None:
    info: dict[str, Any] = {"format": "VIMH", "height": 8, "width": 8, "channels": 1}
    info |= {"parameter_names": ["note"], "parameter_mappings": {"note": {"min": 0, "max": 1}}}
    (tmp_path / "vimh_dataset_info.json").write_text(json.dumps(info | {key: value}))
    with within(100), pytest.raises(DataError):
        read_info(tmp_path)


def test_an_ablation_has_so_many_seeds() -> None:
    given = {"name": "a", "arms": {"x": {}, "y": {}}, "baseline": "x", "seeds": 10**12}
    with within(50), pytest.raises(ConfigError, match="1,000,000,000,000 seeds are too many"):
        checked(given, "a.yaml")


@pytest.mark.parametrize("high", [10**12, 1000])
def test_a_grid_has_so_many_points(high: int) -> None:
    """Of one parameter, and of all together."""
    axes = tuple(Axis(name, IntDistribution(1, high)) for name in "abc")
    with within(50), pytest.raises(ConfigError, match=r"the grid has [\d,]+ points or more"):
        grid(Space(axes))


def test_heads_have_so_many_classes_in_all() -> None:
    with pytest.raises(ConfigError, match="more than 1,000,000 classes"):
        Heads([Head(f"h{i}", 600_000) for i in range(2)])


@pytest.mark.parametrize("name", ["a" * 101, "ä" * 51])
def test_a_name_of_a_head_fits_into_the_name_of_a_file(name: str) -> None:
    with pytest.raises(ConfigError, match="is longer than 100 bytes"):
        Head(name, 2)
