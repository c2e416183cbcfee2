"""How `data` divides a dataset: what the source says, shares, strata, folds."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.shards import all_rows, write_shards

from multihead import DigitsDataModule, Heads, MultiheadDataModule, Source
from multihead.datasets.vimh_stream import vimh_stream
from multihead.errors import ConfigError, DataError
from multihead.vimh.row_ranges import ranges_of

RNG = np.random.default_rng(0)
HEADS = Heads.from_outputs({"side": 4, "mark": 2})
LABELS = {"side": RNG.integers(0, 4, 200), "mark": (RNG.random(200) < 0.1).astype(np.int64)}


def plain(data_dir: Path, split: str) -> Source:
    return Source("plain", np.zeros((200, 1, 2, 2), np.uint8), LABELS, HEADS, (0.0,), (1.0,))


def grouped(data_dir: Path, split: str) -> Source:
    return replace(plain(data_dir, split), groups=np.arange(200) // 10)


def validating(data_dir: Path, split: str) -> Source:
    marked = np.arange(200) < 30 if split == "train" else None
    return replace(plain(data_dir, split), validation=marked)


def folding(
    data_dir: Path, split: str, folds: int | None = None, fold: int | None = None, seed: int = 0
) -> Source:
    """As a table does that has no test rows: what it reads depends on the fold."""
    return replace(validating(data_dir, split), name=f"fold {fold} of {folds}, seed {seed}")


def module(source: Any = plain, **options: Any) -> MultiheadDataModule:
    return MultiheadDataModule("x", source=source, multihead=True, **options)


def test_splits_of_records_stay_what_they_were() -> None:
    """Digests of the places, taken before stratification and folds were there."""
    data = DigitsDataModule(train_val_test_split=(1197, 240, 360), seed=3)
    assert [int((p * np.arange(1, len(p) + 1)).sum() % 99991) for p in _places(data)] == [
        62169,
        20913,
        53275,
    ]


def _places(data: MultiheadDataModule) -> list[Any]:
    return [data.train_indices, data.val_indices, data.test_indices]


def test_what_the_source_says_validates() -> None:
    data = module(validating)
    assert data.val_indices.tolist() == list(range(30))
    assert data.train_indices.tolist() == list(range(30, 200))


def test_sizes_and_folds_go_before_what_the_source_says() -> None:
    assert len(module(validating, train_val_test_split=(100, 50, 200)).val_indices) == 50
    assert len(module(validating, folds=4, fold=0).val_indices) == 50


def test_marks_of_validation_are_one_per_image() -> None:
    with pytest.raises(DataError, match="200 images but 3 marks of validation"):
        replace(plain(Path(), "train"), validation=np.zeros(3, bool))


def test_a_source_that_takes_folds_divides_by_itself() -> None:
    data = module(folding, folds=5, fold=2, seed=7)
    assert data.train_source.name == "fold 2 of 5, seed 7"
    assert data.val_indices.tolist() == list(range(30))


def test_modules_share_what_was_read_unless_the_source_divides_it_otherwise() -> None:
    first, same, other = (module(folding, folds=5, fold=fold) for fold in (0, 0, 1))
    _ = first.train_source
    same.share(first)
    other.share(first)
    assert same.train_source.images is first.train_source.images
    assert other.train_source.name == "fold 1 of 5, seed 0"


def test_what_is_fitted_to_other_training_images_is_not_shared() -> None:
    """Else a run would depend on those before it in the same process."""
    alone, first, other = (DigitsDataModule(normalize="stats", seed=seed) for seed in (1, 0, 1))
    _ = first.train_source
    other.share(first)
    assert other.train_source.images is first.train_source.images
    assert other.train_source.mean == alone.train_source.mean != first.train_source.mean


def test_sizes_may_be_shares_of_each_file() -> None:
    data = module(train_val_test_split=(0.6, 0.3, 0.5))
    assert [len(part) for part in _places(data)] == [120, 60, 100]


@pytest.mark.parametrize("source", [plain, grouped])
def test_each_fold_validates_once_and_cuts_no_group(source: Any) -> None:
    validated = np.zeros(200, int)
    for fold in range(5):
        data = module(source, folds=5, fold=fold, stratify=["side"])
        validated[data.val_indices] += 1
        assert len(data.train_indices) + len(data.val_indices) == 200
        assert not {*data.train_indices // 10} & {*data.val_indices // 10} or source is plain
    assert (validated == 1).all()


@pytest.mark.parametrize("sizes", [None, (160, 40, 200), (0.8, 0.2, 1.0)])
def test_stratified_heads_have_equal_shares_in_training_and_validation(sizes: Any) -> None:
    data = module(train_val_test_split=sizes, stratify=["side"])
    for label in range(4):
        exact = (LABELS["side"] == label).sum() * len(data.val_indices) / 200
        assert abs((LABELS["side"][data.val_indices] == label).sum() - exact) < 1


def test_the_parts_do_not_depend_on_which_heads_are_used() -> None:
    """Else a single-task network and one for all heads would train on different images."""
    both = module(stratify=["side", "mark"])
    one = module(stratify=["side", "mark"], only_heads=["mark"])
    np.testing.assert_array_equal(both.val_indices, one.val_indices)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stratify": ["sides"]}, r"data.stratify names head 'sides', .*\['side', 'mark'\]"),
        ({"stratify": "side"}, "give a list of heads"),
        ({"folds": 5, "fold": 5}, "with data.folds=5 it is 0 to 4"),
        ({"folds": 201, "fold": 0}, "only 200 samples"),
        ({"folds": 21, "fold": 0, "source": grouped}, "only 20 groups"),
        ({"train_val_test_split": (0.9, 0.2, 1.0)}, "choose smaller sizes"),
        ({"train_val_test_split": (0.9, 1.5, 1.0)}, "shares from 0.0 to 1.0"),
    ],
)
def test_what_cannot_be_divided_so_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        _ = module(**options).train_indices


def test_folds_of_a_set_in_shards_are_read_in_few_requests(tmp_path: Path) -> None:
    """Scattered rows would be a request each; labels are not known before they are read."""
    write_shards(tmp_path / "s", train=50, rows_per_shard=8)
    options = {"source": vimh_stream, "multihead": True, "folds": 3}
    tested = []
    for fold in range(3):
        data = MultiheadDataModule(tmp_path / "s", **options, fold=fold)
        assert sorted([*data.train_indices, *data.val_indices]) == list(range(50))
        assert len(ranges_of(data.val_indices, data.train_source.file.starts)) <= 2 * 7
        batches = all_rows(data.train_dataloader())
        assert sorted(row for batch in batches for row in batch) == data.train_indices.tolist()
        tested += data.val_indices.tolist()
    assert sorted(tested) == list(range(50))
    data = MultiheadDataModule(tmp_path / "s", **options, fold=0, stratify=["low"])
    with pytest.raises(ConfigError, match=r"needs all labels before training, .* remove it"):
        _ = data.train_indices
    with pytest.raises(ConfigError, match="only 50 samples"):
        _ = MultiheadDataModule(tmp_path / "s", **{**options, "folds": 60}, fold=0).val_indices
