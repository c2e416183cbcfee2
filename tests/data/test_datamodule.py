from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import pytest
import torch

from multihead import DigitsDataModule, Heads, MNISTDataModule, MultiheadDataModule, Source
from multihead.data.loader import Batch, ResidentLoader, WorkerLoader
from multihead.errors import ConfigError, DataError


def _mnist(folder: Path, **options: object) -> MNISTDataModule:
    return MNISTDataModule(folder, **{"train_val_test_split": (80, 40, 40), **options})


def test_shape_and_classes_are_known_before_setup(mnist_dir: Path) -> None:
    data = _mnist(mnist_dir, multihead=True)
    assert data.image_shape == (1, 28, 28)
    assert data.num_classes == {"digit": 10, "thickness": 5, "smoothness": 3}


def test_training_and_validation_are_disjoint_and_from_the_training_file(mnist_dir: Path) -> None:
    data = _mnist(mnist_dir)
    together = np.concatenate([data.train_indices, data.val_indices])
    assert sorted(together) == list(range(120))


def test_the_split_depends_on_the_seed_alone(mnist_dir: Path) -> None:
    first, again, other = (_mnist(mnist_dir, seed=s).train_indices for s in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()


def test_the_test_file_is_not_opened_before_it_is_asked_for(mnist_dir: Path) -> None:
    """A search never reads the test split, not even by accident."""
    for path in (mnist_dir / "MNIST" / "raw").glob("t10k*"):
        path.unlink()
    data = _mnist(mnist_dir)
    assert len(list(data.train_dataloader())) == 2
    assert len(list(data.val_dataloader())) == 1


@pytest.mark.parametrize("sizes", [(100, 21, 40), (80, 40, 41)])
def test_sizes_that_exceed_a_file_are_refused(mnist_dir: Path, sizes: tuple[int, ...]) -> None:
    data = _mnist(mnist_dir, train_val_test_split=sizes)
    with pytest.raises(ConfigError, match=r"asks for .* of the (training|test) file of mnist"):
        _ = data.train_indices, data.test_indices


@pytest.mark.parametrize("sizes", [(-1, 5, 5), (0, 5, 5), (5, 5)])
def test_sizes_that_make_no_sense_are_refused(mnist_dir: Path, sizes: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="train_val_test_split"):
        _ = _mnist(mnist_dir, train_val_test_split=sizes).train_indices


def test_without_sizes_a_tenth_of_the_training_file_validates() -> None:
    data = DigitsDataModule()
    assert (len(data.train_indices), len(data.val_indices), len(data.test_indices)) == (
        1294,
        143,
        360,
    )


def test_data_within_the_budget_stay_in_memory_and_beyond_it_go_through_workers(
    mnist_dir: Path,
) -> None:
    assert isinstance(_mnist(mnist_dir).train_dataloader(), ResidentLoader)
    beyond = _mnist(mnist_dir, memory_budget_mb=0.01)
    assert isinstance(beyond.train_dataloader(), WorkerLoader)
    few = list(_mnist(mnist_dir).val_dataloader())
    for (a, _), (b, _) in zip(few, beyond.val_dataloader(), strict=True):
        torch.testing.assert_close(a, b)


def test_only_the_datasets_own_label_is_used_unless_multihead(mnist_dir: Path) -> None:
    assert list(_mnist(mnist_dir).heads) == ["digit"]


def test_a_new_dataset_is_one_function(tmp_path: Path) -> None:
    def squares(data_dir: Path, split: str) -> Source:
        labels = {"side": np.arange(6) % 3}
        images = np.zeros((6, 2, 4, 5), np.uint8)
        heads = Heads.from_outputs({"side": 3})
        return Source("squares", images, labels, heads, (0.0, 0.0), (1.0, 1.0))

    data = MultiheadDataModule(tmp_path, source=squares, train_val_test_split=(4, 2, 6))
    images, labels = next(iter(data.train_dataloader()))
    assert images.shape == (4, 2, 4, 5)
    assert list(labels) == ["side"]


def test_labels_outside_the_classes_name_the_image() -> None:
    heads = Heads.from_outputs({"side": 3})
    images = np.zeros((3, 1, 2, 2), np.uint8)
    with pytest.raises(DataError, match=r"label 3 of head 'side' \(image 1\) is outside"):
        Source("bad", images, {"side": np.array([0, 3, 1])}, heads, (0.0,), (1.0,))


def test_the_digest_changes_with_one_pixel_or_one_label() -> None:
    heads = Heads.from_outputs({"side": 3})

    def digest(pixel: int, label: int) -> str:
        images = np.full((2, 1, 2, 2), pixel, np.uint8)
        labels = {"side": np.array([0, label])}
        return Source("d", images, labels, heads, (0.0,), (1.0,)).digest()

    assert len({digest(0, 1), digest(1, 1), digest(0, 2)}) == 3
    assert digest(0, 1) == digest(0, 1)


class _Orders(pl.LightningModule):
    """Notes the digits of each epoch's batches, and learns nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(()))
        self.seen: dict[int, list[int]] = {}

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        self.seen.setdefault(self.current_epoch, []).extend(batch[1]["digit"].tolist())
        return 0 * self.unused

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


@pytest.mark.parametrize("budget", [64, 0], ids=["in memory", "through workers"])
def test_a_training_sees_the_images_in_another_order_each_epoch(budget: int) -> None:
    def seen(epochs: int) -> dict[int, list[int]]:
        data = DigitsDataModule(batch_size=256, seed=3, memory_budget_mb=budget, num_workers=0)
        module = _Orders()
        trainer = pl.Trainer(max_epochs=epochs, accelerator="cpu", barebones=True)
        trainer.fit(module, data.train_dataloader())
        return module.seen

    first, second, third = seen(3).values()
    assert sorted(first) == sorted(second) == sorted(third)
    assert first != second != third != first
    assert list(seen(2).values()) == [first, second], "by (seed, epoch) alone"
